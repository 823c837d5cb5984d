-- Signed posts: all four or none. Behind the texts, so that older rows need not be written anew.
ALTER TABLE posts ADD COLUMN signature TEXT;             -- base64
ALTER TABLE posts ADD COLUMN signature_algorithm INTEGER; -- KeyAlgorithm of proto/engine.proto
ALTER TABLE posts ADD COLUMN signed_at INTEGER;           -- ms since 1970, as it was signed
ALTER TABLE posts ADD COLUMN author_key TEXT;             -- the public key that it verified with when it was made
