//! Turns: in order, one at a time, and ended whatever happens.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::IdSource;
use store::{Answer, AnswerStatus, Error, MessageStatus, Order, Page, Target};
use tokio::time::Instant;

use crate::support::{
    Opened, agent, anna, answer, completed, content, json, new, open, open_in, row, spawn, text,
};

#[tokio::test]
async fn the_message_is_there_before_the_answer() {
    let opened = open().await;
    let turn = opened.begin(&anna(), new(), "Hello").await.unwrap();
    assert_eq!(opened.texts(&anna(), turn.conversation).await, ["Hello"]);
    opened.store.finish_turn(turn.lease, completed("Hi"), Vec::new()).await.unwrap();
    assert_eq!(opened.texts(&anna(), turn.conversation).await, ["Hello", "Hi"]);
    let items = opened.store.items(&anna(), turn.conversation, Page::default()).await.unwrap();
    assert_eq!(
        items.data.iter().map(|item| item.id).collect::<Vec<_>>(),
        [turn.answer_message, turn.user_message]
    );
}

#[tokio::test]
async fn the_answer_and_its_ledger_rows_are_written_together() {
    let opened = open().await;
    let turn = opened.begin(&anna(), new(), "Hello").await.unwrap();
    let request = opened.ids.request();
    let before = opened.store.stats().groups;
    let rows = vec![row(&anna(), request, 1), row(&anna(), request, 2)];
    opened.store.finish_turn(turn.lease, completed("Hi"), rows.clone()).await.unwrap();
    assert_eq!(opened.store.stats().groups, before + 1);
    assert_eq!(opened.store.attempts(&anna().tenant, request).await.unwrap(), rows);
}

#[tokio::test]
async fn history_is_what_was_said_oldest_first() {
    let opened = open().await;
    let id = opened.say(&anna(), new(), "1", "2").await;
    opened.say(&anna(), Target::Existing(id), "3", "4").await;
    let turn = opened.begin(&anna(), Target::Existing(id), "5").await.unwrap();
    assert_eq!(turn.history.iter().map(text).collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    assert!(turn.history[1].raw.is_some());
}

#[tokio::test]
async fn a_history_window_never_begins_with_an_answer() {
    let opened = open().await;
    let id = opened.say(&anna(), new(), "1", "2").await;
    opened.say(&anna(), Target::Existing(id), "3", "4").await;
    for (limit, expected) in
        [(0, vec![]), (1, vec![]), (2, vec!["3", "4"]), (3, vec!["3", "4"]), (4, vec!["1", "2", "3", "4"])]
    {
        let mut begin = opened.turn(&anna(), Target::Existing(id), "x");
        begin.history_limit = limit;
        let turn = opened.store.begin_turn(begin).await.unwrap();
        assert_eq!(turn.history.iter().map(text).collect::<Vec<_>>(), expected, "limit {limit}");
    }
}

#[tokio::test]
async fn a_cut_answer_is_remembered_and_a_failed_turn_only_shown() {
    let opened = open().await;
    let id = opened.say(&anna(), new(), "1", "2").await;
    let failed = opened.begin(&anna(), Target::Existing(id), "failed question").await.unwrap();
    let nothing = answer(AnswerStatus::Failed, "failed answer");
    opened.store.finish_turn(failed.lease, nothing, Vec::new()).await.unwrap();
    let cut = opened.begin(&anna(), Target::Existing(id), "3").await.unwrap();
    let cut_message = cut.user_message;
    opened.store.finish_turn(cut.lease, answer(AnswerStatus::Partial, "4"), Vec::new()).await.unwrap();

    let page = Page { order: Order::Ascending, ..Page::default() };
    let items = opened.store.items(&anna(), id, page).await.unwrap().data;
    use MessageStatus::{Completed, Failed, Partial};
    assert_eq!(
        items.iter().map(|item| (text(item), item.status)).collect::<Vec<_>>(),
        [
            ("1".to_owned(), Completed),
            ("2".to_owned(), Completed),
            ("failed question".to_owned(), Failed),
            ("failed answer".to_owned(), Failed),
            ("3".to_owned(), Completed),
            ("4".to_owned(), Partial),
        ]
    );
    let question = items.iter().find(|item| item.id == cut_message).unwrap();
    assert_eq!(question.parent, Some(items[1].id), "a failed turn is not what the next message follows");
    let next = opened.begin(&anna(), Target::Existing(id), "5").await.unwrap();
    assert_eq!(next.history.iter().map(text).collect::<Vec<_>>(), ["1", "2", "3", "4"]);
}

/// Every answer quotes its question; whoever begins sees whole turns only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_messages_at_once_are_answered_one_after_the_other() {
    let opened = Arc::new(open().await);
    let id = opened.say(&anna(), new(), "first", "re: first").await;
    let running = Arc::new(Mutex::new(0));
    let callers: Vec<_> = (0..100)
        .map(|number| {
            let (opened, running) = (Arc::clone(&opened), Arc::clone(&running));
            spawn(async move {
                let question = format!("message {number}");
                let turn = opened.begin(&anna(), Target::Existing(id), &question).await.unwrap();
                *running.lock().unwrap() += 1;
                tokio::task::yield_now().await;
                assert_eq!(*running.lock().unwrap(), 1, "two turns at once");
                *running.lock().unwrap() -= 1;
                let reply = completed(&format!("re: {question}"));
                opened.store.finish_turn(turn.lease, reply, Vec::new()).await.unwrap();
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let texts = whole(&opened, id).await;
    assert_eq!(texts.len(), 202);
    for pair in texts.chunks(2) {
        assert_eq!(pair[1], format!("re: {}", pair[0]));
    }
    let mut questions: Vec<_> = texts.iter().step_by(2).collect();
    questions.sort();
    questions.dedup();
    assert_eq!(questions.len(), 101);
}

async fn whole(opened: &Opened, id: domain::ConversationId) -> Vec<String> {
    let mut page = Page { limit: 100, order: Order::Ascending, ..Page::default() };
    let mut texts = Vec::new();
    loop {
        let list = opened.store.items(&anna(), id, page).await.unwrap();
        texts.extend(list.data.iter().map(text));
        page.after = list.last().map(|item| item.id);
        if !list.has_more {
            return texts;
        }
    }
}

/// On one thread the order of asking is known.
#[tokio::test]
async fn waiting_messages_are_let_in_in_the_order_they_came() {
    let opened = Arc::new(open().await);
    let first = opened.begin(&anna(), new(), "0").await.unwrap();
    let id = first.conversation;
    let mut callers = Vec::new();
    for number in 1..=20 {
        let theirs = Arc::clone(&opened);
        callers.push(spawn(async move {
            theirs.say(&anna(), Target::Existing(id), &number.to_string(), "-").await
        }));
        tokio::task::yield_now().await;
    }
    opened.store.finish_turn(first.lease, completed("-"), Vec::new()).await.unwrap();
    for caller in callers {
        caller.await.unwrap();
    }
    let questions: Vec<_> = opened.texts(&anna(), id).await.into_iter().step_by(2).collect();
    assert_eq!(questions, (0..=20).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_that_waits_past_its_deadline_is_told_that_the_conversation_is_busy() {
    let opened = open().await;
    let first = opened.begin(&anna(), new(), "1").await.unwrap();
    let id = first.conversation;
    let mut second = opened.turn(&anna(), Target::Existing(id), "2");
    second.wait_until = Instant::now() + Duration::from_millis(20);
    assert_eq!(opened.store.begin_turn(second).await.unwrap_err(), Error::Busy);
    opened.store.finish_turn(first.lease, completed("-"), Vec::new()).await.unwrap();
    assert_eq!(opened.texts(&anna(), id).await, ["1", "-"], "the refused message was not stored");
}

#[tokio::test]
async fn another_agent_cannot_go_on_with_a_conversation() {
    let opened = open().await;
    let id = opened.say(&anna(), new(), "1", "2").await;
    let mut turn = opened.turn(&anna(), Target::Existing(id), "3");
    turn.agent = agent("sales");
    assert_eq!(opened.store.begin_turn(turn).await.unwrap_err(), Error::WrongAgent);
    assert_eq!(opened.texts(&anna(), id).await, ["1", "2"]);
}

#[tokio::test]
async fn a_dropped_lease_fails_the_turn_and_lets_the_next_one_in() {
    let opened = open().await;
    let first = opened.begin(&anna(), new(), "1").await.unwrap();
    let id = first.conversation;
    drop(first);
    let second = opened.begin(&anna(), Target::Existing(id), "2").await.unwrap();
    assert!(second.history.is_empty());
    let page = Page { order: Order::Ascending, ..Page::default() };
    let items = opened.store.items(&anna(), id, page).await.unwrap().data;
    assert_eq!(items[0].status, MessageStatus::Failed);
    assert_eq!(items[1].status, MessageStatus::Completed);
}

#[tokio::test]
async fn an_answer_can_be_posted_without_waiting() {
    let opened = open().await;
    let first = opened.begin(&anna(), new(), "1").await.unwrap();
    let (id, request) = (first.conversation, opened.ids.request());
    first.lease.post(answer(AnswerStatus::Partial, "2"), vec![row(&anna(), request, 1)]);
    let second = opened.begin(&anna(), Target::Existing(id), "3").await.unwrap();
    assert_eq!(second.history.iter().map(text).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(opened.store.attempts(&anna().tenant, request).await.unwrap().len(), 1);
}

/// Whoever gives up while the write is on its way leaves nothing running behind.
#[tokio::test]
async fn a_caller_that_goes_away_at_any_moment_does_not_block_the_conversation() {
    let opened = open().await;
    let id = opened.say(&anna(), new(), "1", "2").await;
    let anna = anna();
    for polls in 1..12 {
        let mut begin = std::pin::pin!(opened.begin(&anna, Target::Existing(id), "given up"));
        let mut left = polls;
        std::future::poll_fn(|context| {
            left -= 1;
            let ready = begin.as_mut().poll(context).is_ready();
            if ready || left == 0 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
    let turn = opened.begin(&anna, Target::Existing(id), "3").await.unwrap();
    assert_eq!(turn.history.iter().map(text).collect::<Vec<_>>(), ["1", "2"]);
}

#[tokio::test]
async fn a_conversation_deleted_during_its_turn_stays_deleted_and_the_ledger_row_is_kept() {
    let opened = open().await;
    let turn = opened.begin(&anna(), new(), "1").await.unwrap();
    let (id, request) = (turn.conversation, opened.ids.request());
    opened.delete(&anna(), id).await.unwrap();
    let finished = opened.store.finish_turn(turn.lease, completed("2"), vec![row(&anna(), request, 1)]).await;
    assert_eq!(finished.unwrap_err(), Error::NotFound);
    assert_eq!(opened.store.attempts(&anna().tenant, request).await.unwrap().len(), 1);
    assert_eq!(opened.store.conversation(&anna(), id).await.unwrap_err(), Error::NotFound);
}

/// The same request id twice is refused by a constraint, in a group with others that are innocent.
#[tokio::test]
async fn one_that_contradicts_the_store_fails_alone() {
    let opened = open().await;
    let id = opened.say(&anna(), new(), "1", "2").await;
    let begun = opened.turn(&anna(), Target::Existing(id), "3");
    let twin = begun.clone();
    opened
        .store
        .finish_turn(opened.store.begin_turn(begun).await.unwrap().lease, completed("4"), Vec::new())
        .await
        .unwrap();
    let request = opened.ids.request();
    let before = opened.store.stats();
    let (culprit, innocent, settled) = tokio::join!(
        opened.store.begin_turn(twin),
        opened.store.begin_turn(opened.turn(&anna(), new(), "innocent")),
        opened.store.settle(row(&anna(), request, 1)),
    );
    assert_eq!(culprit.unwrap_err(), Error::Inconsistent);
    let innocent = innocent.unwrap();
    settled.unwrap();
    assert_eq!(
        opened.store.stats().failed_groups - before.failed_groups,
        2,
        "the group, and then the culprit alone"
    );
    assert_eq!(opened.texts(&anna(), innocent.conversation).await, ["innocent"]);
    assert_eq!(opened.texts(&anna(), id).await, ["1", "2", "3", "4"]);
    assert_eq!(opened.store.attempts(&anna().tenant, request).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_turn_cut_by_a_crash_is_failed_at_the_next_start() {
    let opened = open().await;
    let id = opened.say(&anna(), new(), "1", "2").await;
    let turn = opened.begin(&anna(), Target::Existing(id), "3").await.unwrap();
    let answer_id = turn.answer_message;
    std::mem::forget(turn.lease);
    let opened = open_in(opened.crash().await).await;
    let page = Page { order: Order::Ascending, ..Page::default() };
    let items = opened.store.items(&anna(), id, page).await.unwrap().data;
    assert_eq!(items.iter().map(text).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(items[2].status, MessageStatus::Failed);
    assert!(items.iter().all(|item| item.id != answer_id));
    let next = opened.begin(&anna(), Target::Existing(id), "4").await.unwrap();
    assert_eq!(next.history.iter().map(text).collect::<Vec<_>>(), ["1", "2"]);
}

#[tokio::test]
async fn an_answer_without_content_leaves_the_question_alone() {
    let opened = open().await;
    let turn = opened.begin(&anna(), new(), "1").await.unwrap();
    let id = turn.conversation;
    let silent = Answer { content: None, ..answer(AnswerStatus::Failed, "") };
    opened.store.finish_turn(turn.lease, silent, Vec::new()).await.unwrap();
    assert_eq!(opened.texts(&anna(), id).await, ["1"]);
}

/// The caller was told the answer's id, so it has to be there.
#[tokio::test]
async fn a_completed_answer_that_says_nothing_is_stored_and_listed() {
    for nothing in [content(""), json("[]")] {
        let opened = open().await;
        let turn = opened.begin(&anna(), new(), "1").await.unwrap();
        let (id, answer_id) = (turn.conversation, turn.answer_message);
        let silent = Answer { content: Some(nothing.clone()), ..completed("") };
        opened.store.finish_turn(turn.lease, silent, Vec::new()).await.unwrap();
        let page = Page { order: Order::Ascending, ..Page::default() };
        let items = opened.store.items(&anna(), id, page).await.unwrap().data;
        assert_eq!(items.len(), 2);
        assert_eq!((items[1].id, items[1].status), (answer_id, MessageStatus::Completed));
        assert_eq!(items[1].content.get(), nothing.get());
        let next = opened.begin(&anna(), Target::Existing(id), "2").await.unwrap();
        assert_eq!(
            next.history.iter().map(|message| message.id).collect::<Vec<_>>(),
            [items[0].id, answer_id]
        );
    }
}

#[tokio::test]
async fn a_turn_tells_how_long_it_waited_for_the_ones_in_front() {
    let opened = open().await;
    tokio::time::pause();
    let first = opened.begin(&anna(), new(), "1").await.unwrap();
    assert_eq!(first.waited, Duration::ZERO, "nobody was in front");
    let id = first.conversation;
    let (asked, wait, anna) = (Instant::now(), Duration::from_secs(10), anna());
    let (second, ()) = tokio::join!(opened.begin(&anna, Target::Existing(id), "2"), async {
        tokio::time::advance(wait).await;
        tokio::time::resume();
        opened.store.finish_turn(first.lease, completed("-"), Vec::new()).await.unwrap();
    });
    let waited = second.unwrap().waited;
    assert!(waited >= wait && waited <= asked.elapsed(), "{waited:?}");
}
