//! What was acknowledged is there after `kill -9`, once.
//!
//! Clients ask without a pause: agents in conversations and raw models, whole answers and streams. At a random moment
//! the process is killed and started again on the same data. An answer counts as acknowledged when its last byte was
//! read. At the end the store is opened without a server: every acknowledged turn is in its conversation exactly once
//! and in order, every acknowledged request has exactly one ledger row, and no turn is left running.
//!
//! The short form kills 12 times. `PARAPET_KILLS=200 cargo nextest run -p parapet --test it crash --no-capture` runs the
//! long one and prints what it did; `PARAPET_SEED=…` repeats the moments of an earlier run.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::{ConversationId, Outcome, RequestId, SystemClock, TenantId, TimeOrderedIds, UserId};
use serde_json::{Value, json};
use store::{Durability, Message, MessageStatus, Options, Order, Owner, Page, Role, Store};
use testkit::http::{Connection, Request};
use testkit::openai;
use testkit::upstream::Answer;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{chat, get, plan, post, started, streamed};

/// Fast enough for many requests between two kills, slow enough that streams are cut in the middle; the raw models
/// answer at once, so that every kill finds an answer that has only just been acknowledged.
const CONFIG: &str = r"
version: 1
providers:
  simulated: { kind: simulated, latency: 1ms, tokens_per_second: 4000, length: [5, 40] }
  quick: { kind: simulated, latency: 0s, tokens_per_second: 1000000, length: [5, 5] }
agents:
  support: { models: [simulated/support], prompt: You are a friendly support agent for Acme. }
";

/// Turns of a conversation before its client begins another one.
const TURNS: usize = 5;

#[tokio::test]
async fn nothing_acknowledged_is_lost_or_doubled_by_kills_under_load() {
    let kills = from_environment("PARAPET_KILLS").unwrap_or(12);
    let mut moments =
        Moments(from_environment("PARAPET_SEED").unwrap_or_else(|| u64::from(std::process::id())));
    println!("seed {}", moments.0);
    let mut server = plan(CONFIG.to_owned()).start().await;
    let kinds = [Kind::Agent, Kind::AgentStream, Kind::Raw, Kind::RawStream];
    let mut clients: Vec<Client> =
        kinds.repeat(3).into_iter().enumerate().map(|(number, kind)| Client::new(number, kind)).collect();
    let mut slowest = Duration::ZERO;
    for round in 0..kills {
        let mut running = JoinSet::new();
        for client in clients.drain(..) {
            running.spawn(client.ask_until_cut(server.public(), round));
        }
        // The moment of the kill is the test's input; nothing is waited for.
        tokio::time::sleep(moments.next(Duration::from_millis(200))).await;
        server.kill9().await;
        clients = running.join_all().await;
        let began = Instant::now();
        server.restart().await;
        slowest = slowest.max(began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(2), "start {round} took {:?}", began.elapsed());
    }
    assert!(server.terminate().await.success());
    let acknowledged: Vec<Acknowledged> =
        clients.into_iter().flat_map(|client| client.acknowledged).collect();
    let found = verify(&server.dir().join("data"), &acknowledged, kills * 6).await;
    println!(
        "{kills} kills: {} requests acknowledged, {found} turns in the store, slowest start {slowest:?}",
        acknowledged.len()
    );
    assert!(acknowledged.len() as u64 > kills * 4, "only {} requests were acknowledged", acknowledged.len());
}

#[tokio::test]
async fn a_conversation_goes_on_with_its_history_after_kill_9() {
    let (mut server, upstream) = started().await;
    upstream.expect(Answer::json(&openai::completion("Hello Anna.")));
    let body = json!({ "message": "I am Anna." });
    let first = post(&server, "/v1/agents/support/query", &body).await.json();
    server.kill9().await;
    server.restart().await;
    upstream.expect(Answer::json(&openai::completion("You are Anna.")));
    let body = json!({ "message": "Who am I?", "conversation_id": first["conversation_id"] });
    let second = post(&server, "/v1/agents/support/query", &body).await.json();
    assert_eq!(second["conversation_id"], first["conversation_id"]);
    assert_eq!(spoken(&upstream.call(1).await.json()), ["I am Anna.", "Hello Anna.", "Who am I?"]);
}

#[tokio::test]
async fn a_turn_cut_by_kill_9_is_shown_as_failed_and_not_sent_again() {
    let (mut server, upstream) = started().await;
    upstream.expect(Answer::json(&openai::completion("Hello Anna.")));
    let body = json!({ "message": "I am Anna." });
    let first = post(&server, "/v1/agents/support/query", &body).await.json();
    let id = first["conversation_id"].as_str().unwrap().to_owned();
    for stream in [false, true] {
        upstream.expect(if stream {
            // A role and two words, and no end.
            Answer::sse(openai::chunks(["Let me ", "see"]).into_iter().take(3)).stall()
        } else {
            Answer::never_answer()
        });
        let body = json!({ "message": "This is cut.", "conversation_id": id, "stream": stream });
        let mut connection = Connection::open(server.public()).await;
        connection.send(&Request::post("/v1/agents/support/query").json(&body)).await.unwrap();
        upstream.call(1 + usize::from(stream)).await;
        if stream {
            connection.head().await.unwrap();
            while connection.event().await.unwrap().unwrap().name.as_deref() != Some("answer.delta") {}
        }
        server.kill9().await;
        server.restart().await;
    }
    upstream.expect(Answer::json(&openai::completion("You are Anna.")));
    let body = json!({ "message": "Who am I?", "conversation_id": id });
    assert_eq!(post(&server, "/v1/agents/support/query", &body).await.status, 200);
    assert_eq!(spoken(&upstream.call(3).await.json()), ["I am Anna.", "Hello Anna.", "Who am I?"]);
    let items = get(&server, &format!("/v1/conversations/{id}/items")).await.json();
    let statuses: Vec<_> =
        items["data"].as_array().unwrap().iter().map(|item| item["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["completed", "completed", "failed", "failed", "completed", "completed"]);
}

/// What a provider was sent after the system prompt.
fn spoken(sent: &Value) -> Vec<&str> {
    let messages = sent["messages"].as_array().unwrap();
    messages.iter().skip(1).map(|message| message["content"].as_str().unwrap()).collect()
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Agent,
    AgentStream,
    Raw,
    RawStream,
}

/// One client over all rounds. Its questions are unique, so that each can be counted.
struct Client {
    number: usize,
    kind: Kind,
    asked: usize,
    /// The conversation to go on with, and how many of its turns were acknowledged.
    conversation: Option<(ConversationId, usize)>,
    acknowledged: Vec<Acknowledged>,
}

/// An answer whose last byte arrived.
#[derive(Debug)]
struct Acknowledged {
    round: u64,
    request: RequestId,
    turn: Option<Turn>,
}

#[derive(Debug)]
struct Turn {
    conversation: ConversationId,
    question: String,
    answer: String,
}

impl Client {
    fn new(number: usize, kind: Kind) -> Self {
        Self { number, kind, asked: 0, conversation: None, acknowledged: Vec::new() }
    }

    async fn ask_until_cut(mut self, server: SocketAddr, round: u64) -> Self {
        let mut connection = Connection::open(server).await;
        while let Ok((request, turn)) = self.ask(&mut connection).await {
            if let Some(turn) = &turn {
                let turns = self.conversation.map_or(0, |(_, turns)| turns) + 1;
                self.conversation = (turns < TURNS).then_some((turn.conversation, turns));
            }
            self.acknowledged.push(Acknowledged { round, request, turn });
        }
        self
    }

    async fn ask(&mut self, connection: &mut Connection) -> io::Result<(RequestId, Option<Turn>)> {
        let question = format!("question {} of client {}", self.asked, self.number);
        self.asked += 1;
        let query = json!({ "message": question, "conversation_id": self.conversation.map(|(id, _)| id.to_string()) });
        let request = match self.kind {
            Kind::Agent => Request::post("/v1/agents/support/query").json(&query),
            Kind::AgentStream => Request::post("/v1/agents/support/query").json(&streamed(query)),
            Kind::Raw => Request::post("/v1/chat/completions").json(&chat("quick/any", &question)),
            Kind::RawStream => {
                Request::post("/v1/chat/completions").json(&streamed(chat("quick/any", &question)))
            }
        };
        connection.send(&request).await?;
        let (request, answer) = match self.kind {
            Kind::Agent | Kind::Raw => {
                let response = connection.response().await?;
                assert_eq!(response.status, 200, "{}", response.text());
                (response.header("x-request-id").unwrap().parse().unwrap(), response.json())
            }
            Kind::AgentStream | Kind::RawStream => {
                let head = connection.head().await?;
                assert_eq!(crate::support::status(&head), 200);
                let events = connection.events().await?;
                let last = events.last().unwrap();
                let answer = match self.kind {
                    Kind::AgentStream => last.json(),
                    _ => json!({ "ended": last.data }),
                };
                (head.header("x-request-id").unwrap().parse().unwrap(), answer)
            }
        };
        let turn = match self.kind {
            Kind::Agent | Kind::AgentStream => Some(Turn {
                conversation: answer["conversation_id"].as_str().unwrap().parse().unwrap(),
                question,
                answer: answer["response"].as_str().unwrap().to_owned(),
            }),
            Kind::Raw => None,
            Kind::RawStream => {
                assert_eq!(answer["ended"], openai::DONE);
                None
            }
        };
        Ok((request, turn))
    }
}

/// Compares what the clients know with what is kept; how many turns that is. At most `cut` of them may be unknown to
/// the clients: those that were being answered at a kill.
async fn verify(data_dir: &Path, acknowledged: &[Acknowledged], cut: u64) -> usize {
    let clock = Arc::new(SystemClock::default());
    let ids = Arc::new(TimeOrderedIds::new(SystemClock::default()));
    let options = Options { data_dir: data_dir.to_owned(), durability: Durability::Relaxed, clock, ids };
    let (store, writer) = Store::open(options).await.unwrap();
    let mut writing = JoinSet::new();
    writing.spawn(writer.run());
    let owner =
        Owner { tenant: TenantId::new("default").unwrap(), user: UserId::new("local").unwrap(), key: None };

    let mut turns = 0;
    let mut kept: HashMap<ConversationId, Vec<(String, String)>> = HashMap::new();
    let mut questions: HashMap<String, usize> = HashMap::new();
    for id in conversations(&store, &owner).await {
        let page = Page { limit: 100, order: Order::Ascending, ..Page::default() };
        let items = store.items(&owner, id, page).await.unwrap().data;
        let mut items = items.iter().peekable();
        while let Some(question) = items.next() {
            turns += 1;
            assert_eq!(question.role, Role::User, "{id}: an answer without its question");
            *questions.entry(text(question)).or_default() += 1;
            match items.next_if(|item| item.role == Role::Assistant) {
                Some(answer) => {
                    let statuses = (question.status, answer.status);
                    assert_eq!(statuses, (MessageStatus::Completed, MessageStatus::Completed), "{id}");
                    kept.entry(id).or_default().push((text(question), text(answer)));
                }
                None => assert_eq!(question.status, MessageStatus::Failed, "{id}: a turn was left running"),
            }
        }
    }
    let twice: Vec<_> = questions.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");

    let mut told: HashMap<ConversationId, usize> = HashMap::new();
    for Acknowledged { round, request, turn } in acknowledged {
        let rows = store.attempts(&owner.tenant, *request).await.unwrap();
        assert_eq!(rows.len(), 1, "round {round}: the ledger has {} rows of {request}", rows.len());
        assert_eq!((rows[0].attempt.number, rows[0].outcome), (1, Outcome::Ok), "round {round}: {request}");
        let Some(Turn { conversation, question, answer }) = turn else { continue };
        // In order: each is looked for behind the one before it.
        let from = told.entry(*conversation).or_default();
        let all = kept.get(conversation).map_or(&[][..], Vec::as_slice);
        let at = all.iter().skip(*from).position(|(asked, _)| asked == question);
        let at = *from
            + at.unwrap_or_else(|| panic!("round {round}: `{question}` is not in {conversation}: {all:?}"));
        assert_eq!(&all[at].1, answer, "round {round}: `{question}` in {conversation}");
        *from = at + 1;
    }
    let known = acknowledged.iter().filter(|one| one.turn.is_some()).count();
    assert!((turns - known) as u64 <= cut, "{turns} turns are kept, {known} were acknowledged, {cut} cut");
    store.close().await;
    writing.join_all().await;
    turns
}

async fn conversations(store: &Store, owner: &Owner) -> Vec<ConversationId> {
    let mut ids = Vec::new();
    loop {
        let page = Page { limit: 100, order: Order::Ascending, after: ids.last().copied(), before: None };
        let list = store.conversations(owner, page).await.unwrap();
        ids.extend(list.data.iter().map(|conversation| conversation.id));
        if !list.has_more {
            return ids;
        }
    }
}

/// The text of a message's only part.
fn text(message: &Message) -> String {
    let parts: Value = serde_json::from_str(message.content.get()).unwrap();
    parts[0]["text"].as_str().unwrap().to_owned()
}

/// Random moments that a seed repeats: SplitMix64 (Steele, Lea, Flood 2014).
struct Moments(u64);

impl Moments {
    fn next(&mut self, within: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        within.mul_f64((z ^ (z >> 31)) as f64 / u64::MAX as f64)
    }
}

#[expect(clippy::disallowed_methods, reason = "how a person asks for the long form")]
fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
