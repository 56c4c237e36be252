//! Reading beside the writer: two connections, each opened when it is first needed.
//!
//! No pool: there is nothing to grow, shrink or reap, and giving a connection back must not need a task.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::{ConversationId, MessageId, RequestId, TenantId};
use sqlx::SqliteConnection;
use tokio::sync::{Mutex, MutexGuard};

use super::connection::Database;
use super::failure::{Failure, Kind};
use super::{conversations, ledger};
use crate::conversation::{Conversation, List, Message, Owner, Page};
use crate::error::Error;
use crate::intent::TurnKey;
use crate::ledger::LedgerRow;

pub(crate) struct Reader {
    database: Database,
    connections: [Mutex<State>; 2],
    /// Which connection to wait for when both are busy.
    turn: AtomicUsize,
}

enum State {
    Unopened,
    Open(SqliteConnection),
    /// For good.
    Closed,
}

impl Reader {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            database: Database::new(data_dir),
            connections: [Mutex::new(State::Unopened), Mutex::new(State::Unopened)],
            turn: AtomicUsize::new(0),
        }
    }

    pub(crate) async fn attempts(
        &self,
        tenant: &TenantId,
        request: RequestId,
    ) -> Result<Vec<LedgerRow>, Error> {
        self.read(async |connection| ledger::attempts(connection, tenant, request).await).await
    }

    pub(crate) async fn conversation(
        &self,
        owner: &Owner,
        id: ConversationId,
    ) -> Result<Conversation, Error> {
        self.read(async |connection| conversations::one(connection, owner, id).await)
            .await?
            .ok_or(Error::NotFound)
    }

    pub(crate) async fn conversations(
        &self,
        owner: &Owner,
        page: Page<ConversationId>,
    ) -> Result<List<Conversation>, Error> {
        self.read(async |connection| conversations::list(connection, owner, page).await).await
    }

    pub(crate) async fn items(
        &self,
        owner: &Owner,
        id: ConversationId,
        page: Page<MessageId>,
    ) -> Result<List<Message>, Error> {
        self.read(async |connection| conversations::items(connection, owner, id, page).await).await?
    }

    pub(crate) async fn history(
        &self,
        turn: &TurnKey,
        sequence: i64,
        limit: u32,
    ) -> Result<Vec<Message>, Error> {
        self.read(async |connection| conversations::history(connection, turn, sequence, limit).await).await
    }

    /// Waits for reads in progress and refuses further ones.
    pub(super) async fn close(&self) {
        for connection in &self.connections {
            let state = std::mem::replace(&mut *connection.lock().await, State::Closed);
            if let State::Open(connection) = state
                && let Err(error) = sqlx::Connection::close(connection).await
            {
                tracing::warn!(%error, "a reading connection was not closed cleanly");
            }
        }
    }

    async fn read<T>(
        &self,
        query: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let mut state = self.free().await;
        let connection = self.opened(&mut state).await?;
        query(connection).await.map_err(|failure| {
            tracing::error!(%failure, "a query failed");
            if failure.kind == Kind::Broken {
                *state = State::Unopened;
            }
            failure.error()
        })
    }

    async fn free(&self) -> MutexGuard<'_, State> {
        let [first, second] = &self.connections;
        if let Ok(state) = first.try_lock() {
            return state;
        }
        if let Ok(state) = second.try_lock() {
            return state;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        if turn.is_multiple_of(2) { first.lock().await } else { second.lock().await }
    }

    async fn opened<'s>(&self, state: &'s mut State) -> Result<&'s mut SqliteConnection, Error> {
        if matches!(state, State::Unopened) {
            let opened = self.database.reading().await.map_err(|error| {
                tracing::error!(%error, "the database could not be opened for reading");
                Error::Unavailable
            })?;
            *state = State::Open(opened);
        }
        match state {
            State::Open(connection) => Ok(connection),
            State::Unopened | State::Closed => Err(Error::Unavailable),
        }
    }
}
