//! `/v1/conversations`: the caller's own conversations. Another's id answers exactly like an unknown one.

use std::time::Duration;

use domain::{ConversationId, MessageId, Principal};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{AuditEntry, Change, List, MessageStatus, NewConversation, Order, Owner, Page, Role};
use tokio::time::{Instant, timeout_at};

use super::answer::{self, Answer};
use super::input;
use super::openapi::{Doc, Schema};
use super::routes::Request;
use crate::app::App;
use crate::refusal::{Kind, Refusal};

const TAG: &str = "Conversations";
pub(crate) const CREATE: Doc = Doc {
    summary: "Create a conversation",
    tag: TAG,
    request: Some(Schema::NewConversation),
    answer: Some(Schema::Conversation),
    ..Doc::EMPTY
};
pub(crate) const LIST: Doc = Doc {
    summary: "List conversations",
    tag: TAG,
    paged: true,
    answer: Some(Schema::ConversationList),
    ..Doc::EMPTY
};
pub(crate) const RETRIEVE: Doc =
    Doc { summary: "Retrieve a conversation", tag: TAG, answer: Some(Schema::Conversation), ..Doc::EMPTY };
pub(crate) const UPDATE: Doc = Doc {
    summary: "Rename a conversation, or change its metadata",
    tag: TAG,
    request: Some(Schema::ConversationChange),
    answer: Some(Schema::Conversation),
    ..Doc::EMPTY
};
pub(crate) const DELETE: Doc = Doc {
    summary: "Delete a conversation and its messages",
    tag: TAG,
    answer: Some(Schema::Deleted),
    ..Doc::EMPTY
};
pub(crate) const ITEMS: Doc = Doc {
    summary: "List the messages of a conversation",
    tag: TAG,
    paged: true,
    answer: Some(Schema::ItemList),
    ..Doc::EMPTY
};

const MAX_TITLE: usize = 200;
const MAX_METADATA: usize = 16 * 1024;

/// A conversation to be created.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    /// The agent that answers. May be left out where the config has one agent only.
    agent: Option<String>,
    /// At most 200 characters. None: the first line of the first message.
    title: Option<String>,
    /// Any JSON object of at most 16 KiB.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    metadata: Option<Box<RawValue>>,
}

/// What to change; what is left out stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Update {
    title: Option<String>,
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    metadata: Option<Box<RawValue>>,
}

/// Which part of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Paging {
    limit: Option<u32>,
    after: Option<String>,
    before: Option<String>,
    order: Option<String>,
}

/// A conversation.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Conversation {
    #[serde(serialize_with = "display")]
    #[schemars(with = "String")]
    id: ConversationId,
    /// Always `conversation`.
    object: &'static str,
    agent: String,
    title: String,
    /// Unix seconds.
    created_at: i64,
    /// Unix seconds.
    updated_at: i64,
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    metadata: Box<RawValue>,
}

/// A message of a conversation.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Item {
    #[serde(serialize_with = "display")]
    #[schemars(with = "String")]
    id: MessageId,
    /// Always `message`.
    object: &'static str,
    /// `user` or `assistant`.
    role: &'static str,
    /// Typed parts: `[{"type":"text","text":"…"}]`.
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
    content: Box<RawValue>,
    /// Unix seconds.
    created_at: i64,
    /// `completed`, `partial` for an answer that was cut, `failed` for a turn that came to nothing.
    status: &'static str,
}

/// A page of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(extend("required" = ["object", "data", "first_id", "last_id", "has_more"]))]
pub(crate) struct Listed<T> {
    /// Always `list`.
    object: &'static str,
    data: Vec<T>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

/// What was deleted.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Deleted {
    id: String,
    /// Always `conversation.deleted`.
    object: &'static str,
    deleted: bool,
}

pub(crate) async fn create(request: Request) -> Result<Answer, Refusal> {
    let Request { app, caller, http, .. } = request;
    let new: New = input::json(http, caller.settings.config().server.body_limit).await?;
    let agents = &caller.settings.config().agents;
    let agent = match (&new.agent, agents.len(), agents.keys().next()) {
        (Some(name), _, _) => agents
            .keys()
            .find(|agent| agent.as_str() == name)
            .ok_or_else(|| Refusal::new(Kind::NotFound, "model_not_found", "no such agent").param("agent"))?,
        (None, 1, Some(only)) => only,
        _ => return Err(Refusal::invalid("agent", "name the agent that answers in this conversation")),
    };
    check(new.title.as_deref(), new.metadata.as_deref())?;
    let new = NewConversation { title: new.title, metadata: new.metadata };
    let owner = Owner::from(&caller.principal);
    let create = app.store.create_conversation(&owner, agent, new);
    let created = in_time(&app, caller.deadline, "create_conversation", create).await?;
    answer::json(StatusCode::OK, &Conversation::from(created))
}

pub(crate) async fn list(request: Request) -> Result<Answer, Refusal> {
    let page = page(&request.http, Order::Descending, |id| id.parse().ok())?;
    let (app, owner) = (&request.app, owner(&request));
    let list = app.store.conversations(&owner, page);
    let list = in_time(app, request.caller.deadline, "conversations", list).await?;
    answer::json(StatusCode::OK, &listed::<_, Conversation>(list, |conversation| conversation.id.to_string()))
}

pub(crate) async fn retrieve(request: Request) -> Result<Answer, Refusal> {
    let id = id(&request)?;
    let (app, owner) = (&request.app, owner(&request));
    let find = app.store.conversation(&owner, id);
    let found = in_time(app, request.caller.deadline, "conversation", find).await?;
    answer::json(StatusCode::OK, &Conversation::from(found))
}

pub(crate) async fn update(request: Request) -> Result<Answer, Refusal> {
    let (id, owner) = (id(&request)?, owner(&request));
    let Request { app, caller, http, .. } = request;
    let change: Update = input::json(http, caller.settings.config().server.body_limit).await?;
    check(change.title.as_deref(), change.metadata.as_deref())?;
    let change = Change { title: change.title, metadata: change.metadata };
    let change = app.store.change_conversation(&owner, id, change);
    let changed = in_time(&app, caller.deadline, "change_conversation", change).await?;
    answer::json(StatusCode::OK, &Conversation::from(changed))
}

pub(crate) async fn delete(request: Request) -> Result<Answer, Refusal> {
    input::refuse_unenforced(request.http.headers())?;
    let (id, owner) = (id(&request)?, owner(&request));
    let (app, caller) = (&request.app, &request.caller);
    let Principal { tenant, user, key, .. } = &caller.principal;
    let entry = AuditEntry {
        tenant: tenant.clone(),
        actor: user.to_string(),
        key: key.clone(),
        ip: Some(caller.peer.ip()),
        action: "conversation.delete",
        object: id.to_string(),
        before: None,
        after: None,
        request: Some(caller.record.id),
    };
    let delete = app.store.delete_conversation(&owner, id, entry);
    in_time(app, caller.deadline, "delete_conversation", delete).await?;
    let deleted = Deleted { id: id.to_string(), object: "conversation.deleted", deleted: true };
    answer::json(StatusCode::OK, &deleted)
}

pub(crate) async fn items(request: Request) -> Result<Answer, Refusal> {
    let id = id(&request)?;
    let page = page(&request.http, Order::Ascending, |id| id.parse().ok())?;
    let (app, owner) = (&request.app, owner(&request));
    let list = app.store.items(&owner, id, page);
    let list = in_time(app, request.caller.deadline, "items", list).await?;
    answer::json(StatusCode::OK, &listed::<_, Item>(list, |message| message.id.to_string()))
}

/// Awaits a store call until the caller's deadline, and observes how long it took either way.
async fn in_time<T>(
    app: &App,
    deadline: Option<Instant>,
    query: &'static str,
    call: impl Future<Output = Result<T, store::Error>>,
) -> Result<T, Refusal> {
    app.timed(query, by(deadline, call)).await
}

/// A write that was handed over is carried out even if nobody waits for it any more.
async fn by<T>(
    deadline: Option<Instant>,
    call: impl Future<Output = Result<T, store::Error>>,
) -> Result<T, Refusal> {
    let Some(deadline) = deadline else { return Ok(call.await?) };
    match timeout_at(deadline, call).await {
        Ok(answered) => Ok(answered?),
        Err(_) => {
            let message = "the storage did not answer before the caller's deadline";
            let refusal = Refusal::new(Kind::Overloaded, "storage_unavailable", message);
            Err(refusal.retry_after(Duration::from_secs(1)))
        }
    }
}

fn owner(request: &Request) -> Owner {
    Owner::from(&request.caller.principal)
}

/// An id that cannot exist answers exactly like one that does not.
fn id(request: &Request) -> Result<ConversationId, Refusal> {
    request.parameters.only().parse().map_err(|_| Refusal::not_found("conversation"))
}

fn check(title: Option<&str>, metadata: Option<&RawValue>) -> Result<(), Refusal> {
    if title.is_some_and(|title| title.chars().count() > MAX_TITLE || title.chars().any(char::is_control)) {
        return Err(Refusal::invalid(
            "title",
            "a title has at most 200 characters and no control characters",
        ));
    }
    let is_object = |json: &RawValue| json.get().trim_start().starts_with('{');
    if metadata.is_some_and(|json| !is_object(json) || json.get().len() > MAX_METADATA) {
        return Err(Refusal::invalid("metadata", "metadata is a JSON object of at most 16 KiB"));
    }
    Ok(())
}

fn page<Id>(
    http: &http::Request<hyper::body::Incoming>,
    order: Order,
    parse: impl Fn(&str) -> Option<Id>,
) -> Result<Page<Id>, Refusal> {
    let paging: Paging = input::query(http)?;
    let limit = paging.limit.unwrap_or(20);
    if !(1..=store::MAX_PAGE).contains(&limit) {
        return Err(Refusal::invalid("limit", "a limit is from 1 to 100"));
    }
    let cursor = |name: &'static str, text: Option<String>| match text {
        None => Ok(None),
        Some(text) => parse(&text).map(Some).ok_or_else(|| Refusal::invalid(name, "not an id of this list")),
    };
    let order = match paging.order.as_deref() {
        None => order,
        Some("asc") => Order::Ascending,
        Some("desc") => Order::Descending,
        Some(_) => return Err(Refusal::invalid("order", "an order is `asc` or `desc`")),
    };
    Ok(Page { limit, after: cursor("after", paging.after)?, before: cursor("before", paging.before)?, order })
}

fn listed<T, U: From<T>>(list: List<T>, id: impl Fn(&T) -> String) -> Listed<U> {
    Listed {
        object: "list",
        first_id: list.first().map(&id),
        last_id: list.last().map(&id),
        has_more: list.has_more,
        data: list.data.into_iter().map(U::from).collect(),
    }
}

impl From<store::Conversation> for Conversation {
    fn from(from: store::Conversation) -> Self {
        Self {
            id: from.id,
            object: "conversation",
            agent: from.agent.to_string(),
            title: from.title,
            created_at: from.created_at.seconds(),
            updated_at: from.updated_at.seconds(),
            metadata: from.metadata,
        }
    }
}

impl From<store::Message> for Item {
    fn from(from: store::Message) -> Self {
        Self {
            id: from.id,
            object: "message",
            role: match from.role {
                Role::User => "user",
                Role::Assistant => "assistant",
            },
            content: from.content,
            created_at: from.created_at.seconds(),
            status: match from.status {
                MessageStatus::Completed => "completed",
                MessageStatus::Partial => "partial",
                MessageStatus::Failed => "failed",
            },
        }
    }
}

fn display<T: std::fmt::Display, S: serde::Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn stalled() -> Result<(), store::Error> {
        std::future::pending().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_storage_that_does_not_answer_in_the_callers_time_is_unavailable() {
        let asked = Instant::now();
        let told = by(Some(asked + Duration::from_millis(200)), stalled()).await.unwrap_err();
        assert_eq!(asked.elapsed().as_millis(), 200);
        assert_eq!((told.kind.status(), told.code), (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable"));
        assert!(told.retryable);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_storage_answers_in_time_is_passed_on() {
        let deadline = Some(Instant::now() + Duration::from_millis(200));
        assert_eq!(by(deadline, async { Ok(7) }).await.unwrap(), 7);
        assert_eq!(by(None, async { Ok(7) }).await.unwrap(), 7);
        let refused = by(deadline, async { Err::<(), _>(store::Error::NotFound) }).await.unwrap_err();
        assert_eq!(refused.kind.status(), StatusCode::NOT_FOUND);
    }
}
