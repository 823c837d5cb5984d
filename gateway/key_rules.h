/*
 * Rules of public keys and signatures that one field alone cannot show: which fields go together, and whether
 * a key is one. For decode_input.check. Pure.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "gateway/json_decode.h"

/* Of a UsersCreate: public_key and key_algorithm. */
void key_rules_of_user(const ProtobufCMessage *message, struct field_errors *errors);
/* Of a PostsCreate: signature, signature_algorithm and signed_at. Whether it verifies: signed_post.h. */
void key_rules_of_post(const ProtobufCMessage *message, struct field_errors *errors);
