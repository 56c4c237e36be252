-- What each attempt used and cost. Append-only; survives the conversation it belongs to.
-- request_id is a version 7 UUID: a span of time is a range of it.

CREATE TABLE ledger (
    tenant_id           TEXT NOT NULL,
    request_id          BLOB NOT NULL,
    attempt             INTEGER NOT NULL,
    user_id             TEXT NOT NULL,
    key_id              TEXT,
    agent               TEXT,
    -- As the caller named it.
    model               TEXT NOT NULL,
    provider            TEXT,
    upstream_model      TEXT,
    tags                TEXT,
    input_tokens        INTEGER NOT NULL,
    cached_input_tokens INTEGER NOT NULL,
    cache_write_tokens  INTEGER NOT NULL,
    output_tokens       INTEGER NOT NULL,
    reasoning_tokens    INTEGER NOT NULL,
    audio_tokens        INTEGER NOT NULL,
    image_tokens        INTEGER NOT NULL,
    estimated           INTEGER NOT NULL,
    -- NULL: no price was known.
    cost_nano_usd       INTEGER,
    price_version       TEXT,
    config_hash         TEXT NOT NULL,
    release             TEXT NOT NULL,
    client_request_id   TEXT,
    outcome             TEXT NOT NULL,
    code                TEXT,
    started_at          INTEGER NOT NULL,
    duration_ms         INTEGER NOT NULL,
    ttft_ms             INTEGER,
    conversation_id     BLOB,
    PRIMARY KEY (tenant_id, request_id, attempt)
) STRICT, WITHOUT ROWID;
