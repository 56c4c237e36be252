-- Who did what to which object. Append-only; the columns of the hash chain come with the migration that fills them.

CREATE TABLE audit (
    tenant_id   TEXT NOT NULL,
    -- From 1 within the tenant, without gaps.
    sequence    INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    actor       TEXT NOT NULL,
    key_id      TEXT,
    ip          TEXT,
    action      TEXT NOT NULL,
    object      TEXT NOT NULL,
    before      TEXT,
    after       TEXT,
    request_id  BLOB,
    PRIMARY KEY (tenant_id, sequence)
) STRICT, WITHOUT ROWID;
