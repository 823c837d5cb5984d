-- What users sign posts with: registered once, as the gateway checked it. Only of those who gave one.
CREATE TABLE keys (
    user_id INTEGER PRIMARY KEY,
    algorithm INTEGER NOT NULL,        -- KeyAlgorithm of proto/engine.proto
    public_key TEXT NOT NULL           -- base64 of the DER SubjectPublicKeyInfo
) STRICT;
