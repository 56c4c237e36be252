//! Every command as a person types it: what it prints where, and its exit code.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use testkit::openai;
use testkit::upstream::{Answer, Refusing, Upstream};
use testkit::within_patience;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::{config, get, plan, started, until};

/// A directory to type commands in, and nothing in the environment.
struct Shell {
    dir: TempDir,
    env: Vec<(String, String)>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Shell {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), env: Vec::new() }
    }

    fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path(name), text).unwrap();
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn spawn(&self, args: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_parapet"))
            .args(args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Types a command line, split at spaces.
    async fn run(&self, line: &str) -> Ran {
        self.run_args(&line.split(' ').collect::<Vec<_>>(), "").await
    }

    async fn run_args(&self, args: &[&str], typed: &str) -> Ran {
        let mut child = self.spawn(args);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(typed.as_bytes()).await.unwrap();
        drop(stdin);
        let output = within_patience("the command to end", child.wait_with_output()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    #[track_caller]
    fn ended(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    #[track_caller]
    fn says(&self, part: &str) -> &Self {
        assert!(self.stdout.contains(part), "`{part}` in {self:?}");
        self
    }

    #[track_caller]
    fn complains(&self, part: &str) -> &Self {
        assert!(self.stderr.contains(part), "`{part}` in {self:?}");
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

const FAULTY: &str = r"version: 1
app: { nmae: x }
server:
  listen: localhost:8080
  body_limit: 10
  max_connections: many
  shutdown: { drain: soon }
  tls: { cert_file: a }
providers:
  local: { kind: openai-compatible }
  claude: { kind: anthropic }
models:
  smart: { targets: [nobody/x] }
  empty: { targets: [] }
agents:
  support:
    modles: [smart]
    prompt: hi
  helper: { prompt: hi, models: [smrt] }
auth: { mode: requird }
telemetry: { logs: { level: verbose } }
";

#[tokio::test]
async fn check_reports_every_fault_at_once_with_its_place() {
    let shell = Shell::new().file("parapet.yaml", FAULTY);
    let ran = shell.run("check").await;
    ran.ended(2)
        .complains("parapet.yaml:2:8")
        .complains("did you mean `name`?")
        .complains("did you mean `models`?");
    assert_eq!(ran.stdout, "");
    assert!(!ran.stderr.contains('\u{1b}'), "colour off a terminal");
    let places = ran.stderr.lines().filter(|line| line.contains("--> parapet.yaml:")).count();
    assert!(places >= 12, "{places} of at least 12 faults: {}", ran.stderr);
    ran.complains("faults in the config");

    let ran = shell.run("check --json").await;
    ran.ended(2);
    let told = ran.json();
    assert_eq!(told["usable"], false);
    let findings = told["findings"].as_array().unwrap();
    assert!(findings.len() >= 12, "{told}");
    assert!(findings.iter().all(|finding| finding["code"].is_string() && finding["message"].is_string()));
}

#[tokio::test]
async fn check_of_a_good_config_says_so_and_strict_counts_notices() {
    let good = "version: 1\nagents: { support: { models: [simulated/support], prompt: hi } }\n";
    let shell = Shell::new().file("parapet.yaml", good);
    shell.run("check").await.ended(0).says("parapet.yaml: no faults");
    shell.run("check --strict").await.ended(0);
    assert_eq!(shell.run("check --json").await.ended(0).json()["usable"], true);
    let noticed = good.to_owned() + "providers: { openai: { api_key: \"${env:OPENAI_API_KEY:-}\" } }\n";
    let shell = Shell::new().file("parapet.yaml", &noticed);
    shell.run("check").await.ended(0).complains("openai");
    shell.run("check --strict").await.ended(1);
    Shell::new().run("check").await.ended(0).says("built-in default: no faults");
}

#[tokio::test]
async fn a_faulty_config_ends_every_command_with_2() {
    let shell = Shell::new().file("parapet.yaml", "version: 1\nagnets: {}\n");
    for line in [
        "serve",
        "check",
        "config show",
        "agent list",
        "provider list",
        "provider test",
        "migrate status",
        "healthcheck",
        "chat -m hi",
    ] {
        let ran = shell.run(line).await;
        ran.ended(2).complains("parapet.yaml:2:1").complains("did you mean `agents`?");
        assert_eq!(ran.stdout, "", "{line}");
    }
    assert!(!shell.path("parapet-data").exists());
}

#[tokio::test]
async fn config_shows_what_is_in_force_and_who_set_it() {
    let shell = Shell::new()
        .file(
            "parapet.yaml",
            "version: 1\nserver: { listen: 127.0.0.1:7000 }\nproviders: { openai: { api_key: { env: KEY } } }\n",
        )
        .env("KEY", "sk-canary-0123456789")
        .env("PARAPET__SERVER__METRICS__LISTEN", "127.0.0.1:7001");
    let ran = shell.run("config show --set server.body_limit=1MiB").await;
    ran.ended(0).says("listen: 127.0.0.1:7000").says("listen: 127.0.0.1:7001").says("body_limit: 1MiB");
    assert!(!ran.stdout.contains("canary") && !ran.stderr.contains("canary"));

    shell
        .run("config explain server.listen")
        .await
        .ended(0)
        .says("value: 127.0.0.1:7000")
        .says("parapet.yaml:2");
    shell.run("config explain server.metrics.listen").await.ended(0).says("PARAPET__SERVER__METRICS__LISTEN");
    let flag = shell.run("config explain server.body_limit --set server.body_limit=1MiB --json").await;
    assert!(flag.ended(0).json()["set_by"].as_str().unwrap().contains("flag"), "{flag:?}");
    shell.run("config explain server.shutdown.drain").await.ended(0).says("default");
    shell.run("config explain server.lisen").await.ended(2).complains("did you mean `server.listen`?");
}

#[tokio::test]
async fn the_schema_is_valid_in_both_drafts() {
    let shell = Shell::new();
    for (line, draft) in [
        ("config schema", "https://json-schema.org/draft/2020-12/schema"),
        ("config schema --draft draft-07", "http://json-schema.org/draft-07/schema#"),
    ] {
        let schema = shell.run(line).await.ended(0).json();
        assert_eq!(schema["$schema"], draft);
        assert!(schema["properties"]["agents"].is_object());
    }
    shell.run("config schema --draft 3").await.ended(2);
}

#[tokio::test]
async fn values_come_from_the_nearest_layer_and_files_from_the_nearest_name() {
    let named = |name: &str| format!("version: 1\napp: {{ name: {name} }}\n");
    let shell = Shell::new()
        .file("parapet.yaml", &named("here"))
        .file("other.yaml", &named("other"))
        .file("third.yaml", &named("third"));
    let name = async |shell: &Shell, line: &str| {
        let shown = shell.run(line).await;
        shown.ended(0);
        shown.stdout.lines().find_map(|line| line.strip_prefix("  name: ")).unwrap().to_owned()
    };
    assert_eq!(name(&shell, "config show").await, "here");
    assert_eq!(name(&shell, "-c other.yaml config show").await, "other");
    assert_eq!(name(&shell, "config -c other.yaml show").await, "other");
    assert_eq!(name(&shell, "config show -c other.yaml").await, "other");
    let shell = shell.env("CONFIG_PATH", "third.yaml");
    assert_eq!(name(&shell, "config show").await, "third");
    assert_eq!(name(&shell, "config show -c other.yaml").await, "other");
    let shell = shell.env("PARAPET__APP__NAME", "environment");
    assert_eq!(name(&shell, "config show -c other.yaml").await, "environment");
    assert_eq!(name(&shell, "config show --set app.name=flag").await, "flag");
    let shell = shell.env("PARAPET_DATA_DIR", "./elsewhere");
    shell.run("config show").await.says("elsewhere");

    shell.run("config show -c missing.yaml").await.ended(2).complains("missing.yaml");
    shell
        .run("config show --set app.nmae=x")
        .await
        .ended(2)
        .complains("app.nmae")
        .complains("did you mean `name`?");
    shell.run("config show --set app.name").await.ended(2).complains("KEY=VALUE");
    let shell = Shell::new().env("PARAPET__APP__NMAE", "x");
    shell.run("check").await.ended(2).complains("PARAPET__APP__NMAE");
    Shell::new().env("CONFIG_PATH", "none.yaml").run("check").await.ended(2).complains("none.yaml");
}

#[tokio::test]
async fn agents_and_providers_are_listed() {
    let upstream = Upstream::start().await;
    let shell = Shell::new()
        .file("parapet.yaml", &config(&upstream, &upstream))
        .env("KEY_ONE", "sk-canary-one")
        .env("KEY_TWO", "sk-canary-two")
        .env("TEAM", "blue");
    shell.run("agent list").await.ended(0).says("support\tfirst/small, second/other");
    let agents = shell.run("agent list --json").await.ended(0).json();
    assert_eq!(agents["agents"][0]["models"][1], "second/other");
    let listed = shell.run("provider list").await;
    listed
        .ended(0)
        .says(&format!("first\topenai-compatible\t{}\t2 keys", upstream.base_url()))
        .says("simulated");
    let providers = shell.run("provider list --json").await.ended(0).json();
    assert_eq!(
        (&providers["providers"][0]["name"], &providers["providers"][0]["keys"]),
        (&"first".into(), &2.into())
    );
    assert!(!listed.stdout.contains("canary") && !providers.to_string().contains("canary"));
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn provider_test_tells_for_each_key_whether_it_is_taken() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let refusing = Refusing::start();
    let gone = format!(
        "  gone: {{ kind: openai-compatible, base_url: \"{}\", timeouts: {{ connect: 1s }} }}\nmodels:\n  both",
        refusing.base_url()
    );
    let text = config(&first, &second).replace("models:\n  both", &gone);
    let shell = Shell::new()
        .file("parapet.yaml", &text)
        .env("KEY_ONE", "sk-canary-one")
        .env("KEY_TWO", "sk-canary-two")
        .env("TEAM", "blue");
    first.expect(Answer::json(&openai::models(["small"])));
    let refused = openai::error("Incorrect API key: sk-canary-two", "auth", None, Some("invalid_api_key"));
    first.expect(Answer::status(401).json_body(&refused));
    let ran = shell.run("provider test first").await;
    ran.ended(1).says("first\tkey 1\tok\t1 model").says("first\tkey 2\tfailed\tthe provider answered 401");
    assert!(!format!("{ran:?}").contains("canary"));
    assert_eq!(first.call(0).await.target(), "/v1/models");
    assert_eq!(first.call(1).await.header("authorization"), Some("Bearer sk-canary-two"));

    second.expect(Answer::json(&openai::models(["other"])));
    shell.run("provider test second").await.ended(0).says("second\tkey 1\tok");
    second.expect(Answer::json(&openai::models(["other", "another"])));
    let listed = shell.run("provider models second").await;
    assert_eq!(listed.ended(0).stdout, "second/other\nsecond/another\n");
    shell.run("provider models gone").await.ended(1).complains("could not be asked");
    shell.run("provider test gone").await.ended(1).says("gone\tkey 1\tfailed").says("refused");
    shell.run("provider test nobody").await.ended(2).complains("no provider `nobody`");

    first.otherwise(Answer::json(&openai::models(["small"])));
    second.otherwise(Answer::json(&openai::models(["small"])));
    let ran = shell.run("provider test --json").await;
    ran.ended(1);
    let told: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failed: Vec<_> =
        told.iter().filter(|told| told["ok"] == false).map(|told| &told["provider"]).collect();
    assert_eq!(failed, ["gone"], "{told:?}");
}

#[tokio::test]
async fn migrations_go_up_and_down_and_ask_before_they_lose_data() {
    let shell = Shell::new();
    let first = shell.run("migrate status").await;
    first.ended(0).says("missing");
    assert!(!shell.path("parapet-data").exists(), "a look creates nothing");
    shell.run("migrate up --dry-run").await.ended(0).says("CREATE TABLE");
    assert!(!shell.path("parapet-data").exists(), "a dry run creates nothing");
    shell.run("migrate up").await.ended(0).says("applied 0001");
    shell.run("migrate up").await.ended(0).says("nothing to do");
    let status = shell.run("migrate status").await;
    assert!(!status.ended(0).says("applied").stdout.contains("missing"));
    shell.run("migrate down --dry-run").await.ended(0).says("DROP TABLE");
    shell.run("migrate down").await.ended(2).complains("--yes");
    assert_eq!(shell.run("migrate status").await.stdout, status.stdout);
    shell.run("migrate down --yes").await.ended(0).says("reverted");
    shell.run("migrate status").await.ended(0).says("missing");
    let steps = shell.run("migrate status --json").await;
    assert!(
        steps.stdout.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["applied"].is_boolean())
    );
}

#[tokio::test]
async fn migrate_keeps_away_from_a_running_server() {
    let (server, _upstream) = started().await;
    let shell = Shell::new().env("PARAPET_DATA_DIR", server.dir().join("data").to_str().unwrap());
    shell.run("migrate down --yes").await.ended(1).complains("another process is using the data directory");
    assert_eq!(get(&server, "/ready").await.status, 200);
}

#[tokio::test]
async fn healthcheck_is_the_exit_code_of_ready() {
    let (mut server, _upstream) = started().await;
    let shell = Shell::new().env("PARAPET__SERVER__METRICS__LISTEN", &server.metrics().to_string());
    shell.run("healthcheck").await.ended(0).says("ready");
    let url = format!("http://{}", server.public());
    shell.run(&format!("healthcheck --url {url}")).await.ended(0);
    server.kill9().await;
    shell.run("healthcheck").await.ended(1).complains("cannot reach http://");
}

#[tokio::test]
async fn the_version_is_told_to_people_and_programs() {
    let shell = Shell::new();
    let version = env!("CARGO_PKG_VERSION");
    shell.run("version").await.ended(0).says(&format!("parapet {version}"));
    shell.run("--version").await.ended(0).says(version);
    assert_eq!(shell.run("version --json").await.ended(0).json()["version"], version);
    shell.run("servr").await.ended(2).complains("serve");
    shell.run("--help").await.ended(0).says("Talks to an agent in the terminal");
}

#[tokio::test]
async fn without_any_config_there_is_somebody_to_talk_to() {
    let shell = Shell::new();
    let mut serve = shell.spawn(&[
        "serve",
        "--set",
        "server.listen=127.0.0.1:0",
        "--set",
        "server.metrics.listen=127.0.0.1:0",
        "--set",
        "server.admin.listen=127.0.0.1:0",
        "--ports-file",
        "ports.json",
    ]);
    until("the server to listen", async || shell.path("ports.json").exists()).await;
    let ports: Value = serde_json::from_slice(&std::fs::read(shell.path("ports.json")).unwrap()).unwrap();
    let url = format!("http://{}", ports["public"].as_str().unwrap());
    let ran = shell.run_args(&["chat", "-m", "Hello", "--url", &url], "").await;
    assert!(ran.ended(0).stdout.len() > 20, "{ran:?}");
    assert!(shell.path("parapet-data").is_dir());
    serve.kill().await.unwrap();
}

fn says<'a>(words: impl IntoIterator<Item = &'a str>) -> Answer {
    Answer::sse(openai::chunks(words))
}

/// What a call to the provider held after the system prompt.
async fn spoken(upstream: &Upstream, number: usize) -> Vec<String> {
    let sent = upstream.call(number).await.json();
    let messages = sent["messages"].as_array().unwrap().iter().skip(1);
    messages.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn chat_says_one_thing_or_keeps_talking() {
    let (server, upstream) = started().await;
    let url = format!("http://{}", server.public());
    let shell = Shell::new();
    upstream.expect(says(["Hello ", "Anna."]));
    let ran = shell.run_args(&["chat", "-m", "I am Anna", "--url", &url], "").await;
    assert_eq!((ran.ended(0).stdout.as_str(), ran.stderr.as_str()), ("Hello Anna.\n", ""));

    upstream.expect(says(["Hello Ben."])).expect(says(["You are Ben."]));
    let ran = shell.run_args(&["chat", "support", "--url", &url], "I am Ben\n\nWho am I?\n").await;
    assert_eq!(ran.ended(0).stdout, "Hello Ben.\nYou are Ben.\n");
    assert_eq!(spoken(&upstream, 2).await, ["I am Ben", "Hello Ben.", "Who am I?"]);

    upstream.expect(says(["Still Ben."]));
    let ran = shell.run_args(&["chat", "--last", "-m", "And now?", "--url", &url, "--json"], "").await;
    let answer = ran.ended(0).json();
    assert_eq!((&answer["object"], &answer["response"]), (&"agent.answer".into(), &"Still Ben.".into()));
    assert_eq!(spoken(&upstream, 3).await.last().unwrap(), "And now?");
    assert_eq!(spoken(&upstream, 3).await[1], "Hello Ben.");

    let first = get(&server, "/v1/conversations?limit=1&order=asc").await.json();
    let id = first["data"][0]["id"].as_str().unwrap().to_owned();
    upstream.expect(says(["You are Anna."]));
    shell.run_args(&["chat", "--conversation", &id, "-m", "Who?", "--url", &url], "").await.ended(0);
    assert_eq!(spoken(&upstream, 4).await, ["I am Anna", "Hello Anna.", "Who?"]);
    upstream.finish();
}

#[tokio::test]
async fn chat_goes_on_when_the_server_was_killed_and_came_back() {
    let (mut server, upstream) = started().await;
    let shell = Shell::new();
    let mut chat = shell.spawn(&["chat", "--url", &format!("http://{}", server.public())]);
    let mut typed = chat.stdin.take().unwrap();
    let mut told = BufReader::new(chat.stdout.take().unwrap()).lines();
    let mut complaints = BufReader::new(chat.stderr.take().unwrap()).lines();
    upstream.expect(says(["Hello Anna."]));
    typed.write_all(b"I am Anna\n").await.unwrap();
    let next = within_patience("an answer", told.next_line()).await;
    assert_eq!(next.unwrap().as_deref(), Some("Hello Anna."));
    server.kill9().await;
    typed.write_all(b"Are you there?\n").await.unwrap();
    let next = within_patience("a complaint", complaints.next_line()).await.unwrap().unwrap();
    assert!(next.starts_with("error: "), "{next}");
    server.restart().await;
    upstream.expect(says(["You are Anna."]));
    typed.write_all(b"Who am I?\n").await.unwrap();
    let next = within_patience("an answer", told.next_line()).await;
    assert_eq!(next.unwrap().as_deref(), Some("You are Anna."));
    assert_eq!(spoken(&upstream, 1).await, ["I am Anna", "Hello Anna.", "Who am I?"]);
    drop(typed);
    let status = within_patience("the chat to end", chat.wait()).await.unwrap();
    assert_eq!(status.code(), Some(1), "something was not answered");
    let mut rest = String::new();
    complaints.into_inner().read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "");
}

#[tokio::test]
async fn chat_needs_a_key_where_one_is_required_and_says_what_is_wrong() {
    let upstream = Upstream::start().await;
    let auth = "auth: { mode: required, keys: [{ name: app, key: { env: APP_KEY }, role: user }] }\n";
    let plan = plan(config(&upstream, &upstream) + auth).env("APP_KEY", "pk-app-0123456789");
    let mut server = plan.start().await;
    let url = format!("http://{}", server.public());
    let say = ["chat", "support", "-m", "hi", "--url", &url];
    let ran = Shell::new().run_args(&say, "").await;
    ran.ended(1).complains("error: ").complains("help: ");
    assert_eq!(ran.stdout, "");
    upstream.expect(says(["Hello."]));
    let keyed = Shell::new().env("PARAPET_API_KEY", "pk-app-0123456789");
    assert_eq!(keyed.run_args(&say, "").await.ended(0).stdout, "Hello.\n");
    let ran = keyed.run_args(&["chat", "nobody", "-m", "hi", "--url", &url], "").await;
    ran.ended(1).complains("no agent named `nobody`");
    assert!(!keyed.run("chat --help").await.stdout.contains("pk-app"));

    upstream.otherwise(Answer::status(500).json_body(&openai::error("stack trace", "x", None, None)));
    let ran = keyed.run_args(&say, "").await;
    assert!(!ran.ended(1).stderr.contains("stack trace"), "{ran:?}");
    server.kill9().await;
    keyed.run_args(&say, "").await.ended(1).complains(&url);
}
