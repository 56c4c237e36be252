//! The route table, as data: which listener, method and path, who may call, what answers, and how it is described.
//!
//! Authorisation is decided on the matched entry, never on the path's text; a path that is not in the table does not
//! exist. A test walks the table, and the OpenAPI document is generated from it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use domain::Permission;
use http::Method;
use http::header::HeaderValue;
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use wire::dialect::Dialect;

use super::answer::Answer;
use super::openapi::Doc;
use super::{admin, agents, chat, conversations, embeddings, health, messages, models, openapi, page};
use crate::app::App;
use crate::identity::Identified;
use crate::refusal::{Kind, Refusal};

/// Which port a route is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Listener {
    Public,
    Metrics,
    Admin,
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whoever reaches the listener. For health and static pages only.
    Anyone,
    Needs(Permission),
}

/// A request on its way to a handler.
pub(crate) struct Request {
    pub(crate) app: Arc<App>,
    pub(crate) caller: Identified,
    pub(crate) parameters: Parameters,
    pub(crate) http: http::Request<Incoming>,
}

/// What stood in the path at the `{…}` of the route.
#[derive(Default)]
pub(crate) struct Parameters(Option<String>);

impl Parameters {
    /// The route's single parameter.
    pub(crate) fn only(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

pub(crate) type Handled = Pin<Box<dyn Future<Output = Result<Answer, Refusal>> + Send>>;

pub(crate) struct Route {
    pub(crate) listeners: &'static [Listener],
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) handler: fn(Request) -> Handled,
    pub(crate) doc: Doc,
}

const PUBLIC: &[Listener] = &[Listener::Public];
const METRICS: &[Listener] = &[Listener::Metrics];
const ADMIN: &[Listener] = &[Listener::Admin];
/// Health is the same on every listener that has it.
const HEALTH: &[Listener] = &[Listener::Public, Listener::Metrics, Listener::Admin];

const READ_MODELS: Access = Access::Needs(Permission::ModelsRead);
const CALL: Access = Access::Needs(Permission::ModelsCall);
const READ: Access = Access::Needs(Permission::ConversationsRead);
const WRITE: Access = Access::Needs(Permission::ConversationsWrite);

macro_rules! route {
    ($listeners:expr, $method:ident $path:expr, $access:expr, $handler:path, $doc:expr) => {
        Route {
            listeners: $listeners,
            method: Method::$method,
            path: $path,
            access: $access,
            handler: |request| Box::pin($handler(request)),
            doc: $doc,
        }
    };
}

/// Where the metrics are in the table, whatever path the config gives them.
pub(crate) const METRICS_PATH: &str = "/metrics";

/// Every route of the product.
pub(crate) static ROUTES: &[Route] = &[
    route!(PUBLIC, POST "/v1/chat/completions", CALL, chat::completions, chat::DOC),
    route!(PUBLIC, POST "/v1/messages", CALL, messages::create, messages::DOC),
    route!(PUBLIC, POST "/v1/messages/count_tokens", CALL, messages::count_tokens, messages::COUNT_TOKENS),
    route!(PUBLIC, POST "/v1/embeddings", CALL, embeddings::create, embeddings::DOC),
    route!(PUBLIC, GET "/v1/models", READ_MODELS, models::list, models::LIST),
    route!(PUBLIC, GET "/v1/models/{*model}", READ_MODELS, models::retrieve, models::RETRIEVE),
    route!(PUBLIC, POST "/v1/agents/{agent}/query", CALL, agents::query, agents::QUERY),
    route!(PUBLIC, POST "/v1/conversations", WRITE, conversations::create, conversations::CREATE),
    route!(PUBLIC, GET "/v1/conversations", READ, conversations::list, conversations::LIST),
    route!(PUBLIC, GET "/v1/conversations/{id}", READ, conversations::retrieve, conversations::RETRIEVE),
    route!(PUBLIC, POST "/v1/conversations/{id}", WRITE, conversations::update, conversations::UPDATE),
    route!(PUBLIC, DELETE "/v1/conversations/{id}", WRITE, conversations::delete, conversations::DELETE),
    route!(PUBLIC, GET "/v1/conversations/{id}/items", READ, conversations::items, conversations::ITEMS),
    route!(PUBLIC, GET "/openapi.json", Access::Anyone, openapi::document, openapi::DOC),
    route!(PUBLIC, GET "/", Access::Anyone, page::index, page::DOC),
    route!(HEALTH, GET "/health", Access::Anyone, health::health, health::HEALTH),
    route!(HEALTH, GET "/ready", Access::Anyone, health::ready, health::READY),
    route!(METRICS, GET "/livez", Access::Anyone, health::health, health::HEALTH),
    route!(METRICS, GET "/readyz", Access::Anyone, health::ready, health::READY),
    route!(METRICS, GET "/startupz", Access::Anyone, health::ready, health::READY),
    route!(METRICS, GET METRICS_PATH, Access::Anyone, health::metrics, health::METRICS),
    route!(ADMIN, GET "/admin/v1/config", Access::Needs(Permission::AdminRead), admin::config, admin::CONFIG),
];

/// The table, arranged for look-ups.
static INDEX: LazyLock<Index> = LazyLock::new(Index::build);

struct Index {
    by_listener: BTreeMap<Listener, matchit::Router<Methods>>,
}

#[derive(Default)]
struct Methods(Vec<&'static Route>);

impl Index {
    fn build() -> Self {
        let mut paths: BTreeMap<Listener, BTreeMap<&'static str, Methods>> = BTreeMap::new();
        for route in ROUTES {
            for listener in route.listeners {
                paths.entry(*listener).or_default().entry(route.path).or_default().0.push(route);
            }
        }
        let router = |paths: BTreeMap<&'static str, Methods>| {
            let mut router = matchit::Router::new();
            for (path, methods) in paths {
                // Conflicts between paths are found by the test that walks the table.
                drop(router.insert(path, methods));
            }
            router
        };
        Self { by_listener: paths.into_iter().map(|(listener, paths)| (listener, router(paths))).collect() }
    }
}

/// A path that is in the table, and what it says for the method.
pub(crate) struct Matched {
    pub(crate) route: &'static Route,
    pub(crate) parameters: Parameters,
}

/// The dialect in which a path's errors are told, whatever became of the request.
pub(crate) fn dialect(path: &str) -> Dialect {
    match path.strip_prefix("/v1/messages") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Dialect::Messages,
        _ => Dialect::Chat,
    }
}

/// Finds the route for a request.
pub(crate) fn find(listener: Listener, method: &Method, path: &str) -> Result<Matched, Refusal> {
    let no_route = || {
        Refusal::new(Kind::NotFound, "route_not_found", "no such path")
            .hint("GET /openapi.json lists the paths")
    };
    let router = INDEX.by_listener.get(&listener).ok_or_else(no_route)?;
    let found = router.at(path).map_err(|_| no_route())?;
    // RFC 9110, 9.1: what takes GET takes HEAD. hyper leaves the body out.
    let wanted = if *method == Method::HEAD { &Method::GET } else { method };
    match found.value.0.iter().find(|route| route.method == *wanted) {
        Some(route) => {
            let parameter =
                found.params.iter().next().map(|(_, value)| percent_decode_str(value).decode_utf8());
            let parameter = parameter.transpose().map_err(|_| no_route())?.map(Cow::into_owned);
            Ok(Matched { route, parameters: Parameters(parameter) })
        }
        None => {
            let mut refusal = Refusal::new(
                Kind::MethodNotAllowed,
                "method_not_allowed",
                "the path does not take this method",
            );
            let with_head =
                |method: &'static Method| if *method == Method::GET { "GET, HEAD" } else { method.as_str() };
            let allowed: Vec<&str> = found.value.0.iter().map(|route| with_head(&route.method)).collect();
            refusal.allow = HeaderValue::try_from(allowed.join(", ")).ok();
            Err(refusal)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_table_is_found_on_its_listeners_and_nowhere_else() {
        for route in ROUTES {
            let path = route.path.replace("{id}", "x").replace("{agent}", "x").replace("{*model}", "a/b");
            for listener in [Listener::Public, Listener::Metrics, Listener::Admin] {
                let found = find(listener, &route.method, &path).map(|matched| matched.route.path);
                if route.listeners.contains(&listener) {
                    assert_eq!(found.ok(), Some(route.path));
                } else {
                    assert!(found.is_err(), "{path} on {listener:?}");
                }
            }
        }
    }

    #[test]
    fn only_health_documents_and_pages_are_open_to_anyone() {
        let open: Vec<&str> =
            ROUTES.iter().filter(|route| route.access == Access::Anyone).map(|route| route.path).collect();
        assert_eq!(
            open,
            ["/openapi.json", "/", "/health", "/ready", "/livez", "/readyz", "/startupz", "/metrics"]
        );
    }

    #[test]
    fn a_wrong_method_names_the_right_ones() {
        let refusal = find(Listener::Public, &Method::PUT, "/v1/conversations").err().unwrap();
        assert_eq!(refusal.allow.as_ref().unwrap().to_str().unwrap(), "POST, GET, HEAD");
    }
}
