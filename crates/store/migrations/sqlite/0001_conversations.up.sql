-- Conversations, their turns and their messages. Ids are the 16 bytes of a UUID, times unix milliseconds UTC.
-- Small rows live in their key's own tree (WITHOUT ROWID); messages are large and appended, so they have a rowid.

CREATE TABLE conversations (
    tenant_id       TEXT NOT NULL,
    conversation_id BLOB NOT NULL,
    user_id         TEXT NOT NULL,
    key_id          TEXT,
    agent           TEXT NOT NULL,
    title           TEXT NOT NULL,
    metadata        TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, conversation_id)
) STRICT, WITHOUT ROWID;

-- An owner's list, in order of creation. Never updated: none of its columns changes.
CREATE INDEX conversations_of_owner ON conversations (tenant_id, user_id, conversation_id);

CREATE TABLE turns (
    tenant_id       TEXT NOT NULL,
    conversation_id BLOB NOT NULL,
    request_id      BLOB NOT NULL,
    user_id         TEXT NOT NULL,
    key_id          TEXT,
    agent           TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('running', 'completed', 'partial', 'failed')),
    -- Of the user's message.
    sequence        INTEGER NOT NULL,
    -- The answer's id, known before the answer is.
    answer_id       BLOB NOT NULL,
    started_at      INTEGER NOT NULL,
    finished_at     INTEGER,
    PRIMARY KEY (tenant_id, conversation_id, request_id),
    FOREIGN KEY (tenant_id, conversation_id)
        REFERENCES conversations (tenant_id, conversation_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- One turn at a time in a conversation; and what a crash left running is found without a scan.
CREATE UNIQUE INDEX turns_running ON turns (tenant_id, conversation_id) WHERE status = 'running';

CREATE TABLE messages (
    tenant_id       TEXT NOT NULL,
    conversation_id BLOB NOT NULL,
    sequence        INTEGER NOT NULL,
    message_id      BLOB NOT NULL,
    parent_id       BLOB,
    request_id      BLOB NOT NULL,
    user_id         TEXT NOT NULL,
    key_id          TEXT,
    role            TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    status          TEXT NOT NULL CHECK (status IN ('completed', 'partial', 'failed')),
    content         TEXT NOT NULL,
    raw             TEXT,
    finish_reason   TEXT,
    provider        TEXT,
    model           TEXT,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, conversation_id, sequence),
    FOREIGN KEY (tenant_id, conversation_id)
        REFERENCES conversations (tenant_id, conversation_id) ON DELETE CASCADE
) STRICT;

-- A list goes on from a message's id.
CREATE UNIQUE INDEX messages_by_id ON messages (tenant_id, message_id);
