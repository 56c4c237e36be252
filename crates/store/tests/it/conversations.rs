//! Conversations: made, listed, changed, deleted, and never anybody else's.

use domain::{ConversationId, IdSource};
use store::{Change, Error, MessageStatus, NewConversation, Order, Page, Role, Target};

use crate::support::{Opened, agent, anna, completed, json, new, open, owner, text};

#[tokio::test]
async fn a_conversation_comes_back_as_it_was_made() {
    let opened = open().await;
    let start =
        NewConversation { title: Some("Refund".to_owned()), metadata: Some(json(r#"{"b":1, "a":2}"#)) };
    let made = opened.store.create_conversation(&anna(), &agent("support"), start).await.unwrap();
    let found = opened.store.conversation(&anna(), made.id).await.unwrap();
    for conversation in [&made, &found] {
        assert_eq!(conversation.id, made.id);
        assert_eq!(conversation.agent.as_str(), "support");
        assert_eq!(conversation.title, "Refund");
        assert_eq!(conversation.metadata.get(), r#"{"b":1, "a":2}"#);
        assert_eq!(conversation.created_at, conversation.updated_at);
    }
    let bare = opened
        .store
        .create_conversation(&anna(), &agent("support"), NewConversation::default())
        .await
        .unwrap();
    assert_eq!((bare.title.as_str(), bare.metadata.get()), ("", "{}"));
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_name() {
    let opened = open().await;
    let id = opened.say(&anna(), new(), "Where is my parcel?", "On its way.").await;
    opened.clock.advance(1000);
    let rename = Change { title: Some("Parcel".to_owned()), metadata: None };
    let renamed = opened.store.change_conversation(&anna(), id, rename).await.unwrap();
    assert_eq!((renamed.title.as_str(), renamed.metadata.get()), ("Parcel", "{}"));
    assert_eq!(renamed.updated_at.0 - renamed.created_at.0, 1000);
    let mark = Change { title: None, metadata: Some(json(r#"{"done":true}"#)) };
    let marked = opened.store.change_conversation(&anna(), id, mark).await.unwrap();
    assert_eq!((marked.title.as_str(), marked.metadata.get()), ("Parcel", r#"{"done":true}"#));
}

#[tokio::test]
async fn the_first_message_gives_a_title_and_no_later_one_does() {
    let opened = open().await;
    let made = opened
        .store
        .create_conversation(&anna(), &agent("support"), NewConversation::default())
        .await
        .unwrap();
    opened.say(&anna(), Target::Existing(made.id), "Hello\nthere", "Hi").await;
    opened.say(&anna(), Target::Existing(made.id), "Something else", "Yes").await;
    assert_eq!(opened.store.conversation(&anna(), made.id).await.unwrap().title, "Hello");
    let direct = opened.say(&anna(), new(), "Straight in", "Yes").await;
    assert_eq!(opened.store.conversation(&anna(), direct).await.unwrap().title, "Straight in");
}

#[tokio::test]
async fn a_deleted_conversation_is_unknown_and_its_ledger_stays() {
    let opened = open().await;
    let turn = opened.begin(&anna(), new(), "Hello").await.unwrap();
    let id = turn.conversation;
    let request = opened.ids.request();
    let rows = vec![crate::support::row(&anna(), request, 1)];
    opened.store.finish_turn(turn.lease, completed("Hi"), rows).await.unwrap();
    opened.delete(&anna(), id).await.unwrap();
    assert_eq!(opened.store.conversation(&anna(), id).await.unwrap_err(), Error::NotFound);
    assert_eq!(opened.store.items(&anna(), id, Page::default()).await.unwrap_err(), Error::NotFound);
    assert_eq!(opened.delete(&anna(), id).await.unwrap_err(), Error::NotFound);
    assert!(opened.store.conversations(&anna(), Page::default()).await.unwrap().data.is_empty());
    assert_eq!(opened.store.attempts(&anna().tenant, request).await.unwrap().len(), 1);
}

/// Another tenant's user of the same name, and another user of the same tenant.
#[tokio::test]
async fn a_foreign_id_answers_like_an_unknown_one() {
    let opened = open().await;
    let theirs = opened.say(&anna(), new(), "Secret", "Yes").await;
    let unknown = opened.ids.conversation();
    for stranger in [owner("other", "anna"), owner("acme", "bert")] {
        for id in [theirs, unknown] {
            let store = &opened.store;
            let change = Change { title: Some("x".to_owned()), metadata: None };
            assert_eq!(store.conversation(&stranger, id).await.unwrap_err(), Error::NotFound);
            assert_eq!(store.items(&stranger, id, Page::default()).await.unwrap_err(), Error::NotFound);
            assert_eq!(store.change_conversation(&stranger, id, change).await.unwrap_err(), Error::NotFound);
            assert_eq!(opened.delete(&stranger, id).await.unwrap_err(), Error::NotFound);
            let begun = opened.begin(&stranger, Target::Existing(id), "Hello").await;
            assert_eq!(begun.unwrap_err(), Error::NotFound);
            let mut with_another_agent = opened.turn(&stranger, Target::Existing(id), "Hello");
            with_another_agent.agent = agent("sales");
            assert_eq!(store.begin_turn(with_another_agent).await.unwrap_err(), Error::NotFound);
        }
        assert!(opened.store.conversations(&stranger, Page::default()).await.unwrap().data.is_empty());
    }
    let mine = opened.say(&owner("other", "anna"), new(), "Mine", "Yes").await;
    let foreign = opened.store.items(&anna(), theirs, Page::default()).await.unwrap().first().unwrap().id;
    let page = Page { after: Some(foreign), ..Page::default() };
    let refused = opened.store.items(&owner("other", "anna"), mine, page).await;
    assert_eq!(refused.unwrap_err(), Error::UnknownCursor);
    assert_eq!(opened.texts(&anna(), theirs).await, ["Secret", "Yes"]);
}

#[tokio::test]
async fn an_item_tells_who_said_what_and_how_it_ended() {
    let opened = open().await;
    let id = opened.say(&anna(), new(), "Question", "Answer").await;
    let page = Page { order: Order::Ascending, ..Page::default() };
    let items = opened.store.items(&anna(), id, page).await.unwrap().data;
    let [question, answer] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!(
        (question.role, question.status, question.parent),
        (Role::User, MessageStatus::Completed, None)
    );
    assert!(question.raw.is_none() && question.model.is_none());
    assert_eq!(
        (answer.role, answer.status, answer.parent),
        (Role::Assistant, MessageStatus::Completed, Some(question.id))
    );
    assert_eq!(answer.finish_reason, Some(domain::FinishReason::Stop));
    assert_eq!(answer.model.as_deref(), Some("gpt-4o-mini"));
    assert_eq!(answer.raw.as_deref().unwrap().get(), r#"{"id":"chatcmpl-1"}"#);
    assert!(question.sequence < answer.sequence);
}

#[tokio::test]
async fn pages_of_conversations_fit_together_in_both_orders_and_directions() {
    let opened = open().await;
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(opened.say(&anna(), new(), "Hello", "Hi").await);
    }
    for order in [Order::Ascending, Order::Descending] {
        let mut expected = made.clone();
        if order == Order::Descending {
            expected.reverse();
        }
        assert_eq!(forwards(&opened, order).await, expected);
        assert_eq!(backwards(&opened, order, *expected.last().unwrap()).await, expected[..6]);
        let between = Page { limit: 20, after: Some(expected[1]), before: Some(expected[4]), order };
        let between = opened.store.conversations(&anna(), between).await.unwrap();
        assert_eq!(between.data.iter().map(|c| c.id).collect::<Vec<_>>(), expected[2..4]);
        assert!(!between.has_more);
    }
}

async fn forwards(opened: &Opened, order: Order) -> Vec<ConversationId> {
    let mut page = Page { limit: 3, after: None, before: None, order };
    let mut seen = Vec::new();
    loop {
        let list = opened.store.conversations(&anna(), page).await.unwrap();
        seen.extend(list.data.iter().map(|conversation| conversation.id));
        page.after = list.last().map(|conversation| conversation.id);
        if !list.has_more {
            return seen;
        }
    }
}

async fn backwards(opened: &Opened, order: Order, from: ConversationId) -> Vec<ConversationId> {
    let mut page = Page { limit: 4, after: None, before: Some(from), order };
    let mut seen = Vec::new();
    loop {
        let list = opened.store.conversations(&anna(), page).await.unwrap();
        seen.splice(0..0, list.data.iter().map(|conversation| conversation.id));
        page.before = list.first().map(|conversation| conversation.id);
        if !list.has_more {
            return seen;
        }
    }
}

#[tokio::test]
async fn pages_of_items_go_on_from_a_message() {
    let opened = open().await;
    let id = opened.say(&anna(), new(), "1", "2").await;
    opened.say(&anna(), Target::Existing(id), "3", "4").await;
    opened.say(&anna(), Target::Existing(id), "5", "6").await;
    let page = |limit, after, before, order| Page { limit, after, before, order };
    let first = opened.store.items(&anna(), id, page(2, None, None, Order::Ascending)).await.unwrap();
    assert_eq!(first.data.iter().map(text).collect::<Vec<_>>(), ["1", "2"]);
    assert!(first.has_more);
    let last = first.last().map(|message| message.id);
    let second = opened.store.items(&anna(), id, page(100, last, None, Order::Ascending)).await.unwrap();
    assert_eq!(second.data.iter().map(text).collect::<Vec<_>>(), ["3", "4", "5", "6"]);
    assert!(!second.has_more);
    let newer = opened.store.items(&anna(), id, page(1, None, last, Order::Descending)).await.unwrap();
    assert_eq!(newer.data.iter().map(text).collect::<Vec<_>>(), ["3"]);
    assert!(newer.has_more);
    let nowhere = page(2, Some(opened.ids.message()), None, Order::Ascending);
    assert_eq!(opened.store.items(&anna(), id, nowhere).await.unwrap_err(), Error::UnknownCursor);
}

#[tokio::test]
async fn a_page_is_never_longer_than_the_longest() {
    let opened = open().await;
    for _ in 0..store::MAX_PAGE + 5 {
        opened.say(&anna(), new(), "Hello", "Hi").await;
    }
    let all = opened.store.conversations(&anna(), Page { limit: u32::MAX, ..Page::default() }).await.unwrap();
    assert_eq!(all.data.len(), store::MAX_PAGE as usize);
    assert!(all.has_more);
    let least = opened.store.conversations(&anna(), Page { limit: 0, ..Page::default() }).await.unwrap();
    assert_eq!(least.data.len(), 1);
}

/// What a caller may put into any text comes back as it was and does nothing else.
#[tokio::test]
async fn text_is_never_read_as_sql() {
    let opened = open().await;
    for hostile in ["'; DROP TABLE ledger; --", "\" OR 1=1 --", "%_\\", "?1", "\u{0}x", "', (SELECT 1), '"] {
        let id = opened.say(&anna(), new(), hostile, hostile).await;
        assert_eq!(opened.texts(&anna(), id).await, [hostile, hostile]);
        let change = Change { title: Some(hostile.to_owned()), metadata: None };
        let changed = opened.store.change_conversation(&anna(), id, change).await.unwrap();
        assert_eq!(changed.title, hostile);
        assert_eq!(opened.store.conversation(&anna(), id).await.unwrap().title, hostile);
    }
    opened.store.settle(crate::support::row(&anna(), opened.ids.request(), 1)).await.unwrap();
}
