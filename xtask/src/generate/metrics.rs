//! The metrics, as a server exposes them that has been used a little.
//!
//! A family without a value is not exposed, so the server is made to answer, to stream, to refuse and to fail over.
//! That this shows every family is checked against the declarations: one that stays silent fails the generation,
//! unless [`SILENT`] says why.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::{Parapet, cell, head};

/// Families that this version declares and never gives a value.
const SILENT: [(&str, &str); 1] =
    [("cost_usd", "no model has a price in this version, and the simulated one is free")];

const DECLARATIONS: &str = "crates/parapet/src/telemetry/metrics.rs";

pub(super) fn page(parapet: &Parapet, root: &Path) -> anyhow::Result<String> {
    let families = families(&scrape(parapet)?);
    let declarations = std::fs::read_to_string(root.join(DECLARATIONS)).context(DECLARATIONS)?;
    let silent: Vec<&str> =
        declared(&declarations).filter(|name| !families.iter().any(|f| f.is(name))).collect();
    let expected: Vec<&str> = SILENT.iter().map(|(name, _)| *name).collect();
    ensure!(silent == expected, "metrics without a value: {silent:?}, and SILENT expects {expected:?}");

    let mut page = head("Metrics", "a running server");
    page.push_str(
        "Served on the metrics listener as OpenMetrics text, at `/metrics` unless `telemetry.metrics.path` says \
         otherwise. A family appears with its first value. A histogram has `_bucket`, `_sum` and `_count`. Labels are \
         bounded: routes are those of the route table, agents, providers and models those of the config, everything \
         else comes from closed lists; what a caller writes never becomes a label. An upstream model that no config \
         names is `other`, and requests to no agent have the agent `-`.\n\n\
         | metric | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for family in &families {
        page.push_str(&family.row());
    }
    for (name, why) in SILENT {
        // Writing to a String cannot fail.
        let _ = write!(page, "\n`parapet_{name}_total` is declared and has no value yet: {why}.\n");
    }
    Ok(page)
}

/// A metric family of the exposition.
struct Family {
    name: String,
    kind: String,
    help: String,
    labels: Vec<String>,
}

impl Family {
    fn is(&self, declared: &str) -> bool {
        let name = self.name.strip_prefix("parapet_").unwrap_or_default();
        name == declared || name.strip_suffix("_seconds") == Some(declared)
    }

    fn row(&self) -> String {
        let suffix = match self.kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let labels: Vec<String> = self.labels.iter().map(|label| format!("`{label}`")).collect();
        let help = cell(self.help.trim_end_matches('.'));
        format!("| `{}{suffix}` | {} | {} | {help} |\n", self.name, self.kind, labels.join(", "))
    }
}

/// Reads OpenMetrics text.
fn families(text: &str) -> Vec<Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            name.clone_into(&mut current);
            let family = Family {
                name: name.to_owned(),
                kind: String::new(),
                help: help.to_owned(),
                labels: Vec::new(),
            };
            families.insert(name.to_owned(), family);
            continue;
        }
        let Some(family) = families.get_mut(&current) else { continue };
        if let Some((_, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            kind.clone_into(&mut family.kind);
        } else if !line.starts_with('#') {
            for label in labels(line) {
                if label != "le" && !family.labels.iter().any(|known| known == label) {
                    family.labels.push(label.to_owned());
                }
            }
        }
    }
    families.into_values().collect()
}

/// The names of a sample's labels. A value may contain braces and commas, and no quotation marks here.
fn labels(sample: &str) -> impl Iterator<Item = &str> {
    let inside =
        sample.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(inside, _)| inside);
    inside.split('"').step_by(2).filter_map(|part| part.trim_start_matches(',').strip_suffix('='))
}

/// The names that the source registers.
fn declared(source: &str) -> impl Iterator<Item = &str> {
    let calls = source.split(".register").skip(1);
    calls.filter_map(|call| call.split_once("(\"")?.1.split('"').next())
}

fn scrape(parapet: &Parapet) -> anyhow::Result<String> {
    let server = Server::start(parapet)?;
    let query = |stream: bool| serde_json::json!({ "message": "Hello", "stream": stream }).to_string();
    for body in [query(false), query(true)] {
        server.public(&format!(
            "POST /v1/agents/support/query HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\nhost: 127.0.0.1\r\n\r\n{body}",
            body.len()
        ))?;
    }
    server.public("GET /v1/models/none HTTP/1.1\r\nconnection: close\r\nhost: 127.0.0.1\r\n\r\n")?;
    let request = "GET /metrics HTTP/1.1\r\nconnection: close\r\nhost: 127.0.0.1\r\n\r\n";
    let answer = exchange(&server.metrics, request)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "no metrics: {answer}");
    Ok(answer)
}

/// A server on ports of the system's choice, its data in a temporary folder; killed when dropped.
struct Server {
    process: Child,
    public: String,
    metrics: String,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(parapet: &Parapet) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (config, ports) = (folder.path().join("parapet.yaml"), folder.path().join("ports.json"));
        // A port where nobody listens, so that there is something to fail over from.
        let closed = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let text = format!(
            "version: 1
server:
  listen: 127.0.0.1:0
  metrics: {{ listen: 127.0.0.1:0 }}
  admin: {{ listen: 127.0.0.1:0 }}
storage: {{ data_dir: {} }}
providers:
  simulated: {{ latency: 0s, tokens_per_second: 10000 }}
  unreachable: {{ kind: openai-compatible, base_url: \"http://{closed}/v1\" }}
agents:
  support: {{ models: [unreachable/any, simulated/support], prompt: any }}
",
            folder.path().join("data").display()
        );
        std::fs::write(&config, text)?;
        let mut command = parapet.command(["serve", "-c"]);
        command.arg(&config).arg("--ports-file").arg(&ports).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let said = process.stderr.take().context("no standard error")?;
        let mut server = Self { process, public: String::new(), metrics: String::new(), _folder: folder };
        // The ports are written before the start is told.
        let mut lines = BufReader::new(said).lines();
        let told = lines.find(|line| line.as_ref().map_or(true, |line| line.starts_with("parapet ")));
        told.context("the server did not start")??;
        let addresses: Value = serde_json::from_slice(&std::fs::read(&ports)?)?;
        let address =
            |name: &str| addresses.get(name).and_then(Value::as_str).context("no address").map(str::to_owned);
        server.public = address("public")?;
        server.metrics = address("metrics")?;
        Ok(server)
    }

    fn public(&self, request: &str) -> anyhow::Result<String> {
        exchange(&self.public, request)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn exchange(address: &str, request: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_its_type_help_and_labels() {
        let text = "# HELP parapet_http_requests HTTP requests.\n# TYPE parapet_http_requests counter\n\
                    parapet_http_requests_total{method=\"GET\",route=\"/v1/{a},{b}\",status=\"200\"} 1\n\
                    # HELP parapet_wait_seconds Waiting.\n# TYPE parapet_wait_seconds histogram\n\
                    parapet_wait_seconds_bucket{le=\"0.1\",query=\"x\"} 1\n# EOF\n";
        let rows: Vec<String> = families(text).iter().map(Family::row).collect();
        assert_eq!(
            rows,
            [
                "| `parapet_http_requests_total` | counter | `method`, `route`, `status` | HTTP requests |\n",
                "| `parapet_wait_seconds` | histogram | `query` | Waiting |\n",
            ]
        );
        assert!(families(text).iter().any(|family| family.is("wait")));
    }

    #[test]
    fn declarations_are_found_in_either_form() {
        let source =
            "registry.register(\"a\", \"A\", m.a);\nregistry.register_with_unit(\"b\", text, s, m.b);";
        assert_eq!(declared(source).collect::<Vec<_>>(), ["a", "b"]);
    }
}
