//! Where a provider is, and which version of its API is asked for.
//!
//! What is added to a base URL is known to the codec alone, so it is the codec that is asked: which paths it adds, to
//! find URLs that have their beginning already, and whether a version makes any difference to them.

use std::borrow::Cow;

use wire::dialect::Dialect;
use wire::provider::{Codec, Kind, Operation, Place};

use super::Resolver;
use crate::config::BaseUrl;
use crate::de::{Field, Key};
use crate::finding::Code;

/// Stands for the name of a model in paths that are shown.
const MODEL: &str = "MODEL";

impl Resolver<'_> {
    pub(super) fn base_url(
        &self,
        field: Field<String>,
        api_version: Option<&str>,
        kind: &Kind,
        key: &Key,
    ) -> Option<BaseUrl> {
        let at = field.at;
        if field.is_absent() && !self.decoding.is_misspelt("base_url", key.at) {
            let example = match kind.name {
                "azure" => "https://RESOURCE.openai.azure.com",
                _ => "http://127.0.0.1:8000/v1",
            };
            let help = format!("set it to `{example}`, for example");
            self.record(self.fault(key.at, Code::MissingKey, "`base_url` is not set").help(help));
        }
        let text = field.get()?;
        let url: BaseUrl = match text.parse() {
            Ok(url) => url,
            Err(error) => return self.refuse(at, Code::InvalidValue, format!("{error}")),
        };
        let usual = self.decoding.origin(at).is_default();
        let versions = [None, api_version];
        let ends = || versions.iter().flat_map(|version| ends(kind.codec, *version)).collect::<Vec<_>>();
        let Some((end, right)) = (!usual).then(ends).and_then(|ends| without(&url, &ends)) else {
            return Some(url);
        };
        let message = format!("the `base_url` of kind `{}` does not end in `{end}`", kind.name);
        let chat = path(kind.codec, Operation::Chat, api_version).unwrap_or_default();
        // The rest of a text that came through a variable is not ours to show.
        let help = if self.quoted(at, &text) == text {
            format!("write `{right}`, to which `{chat}` is added")
        } else {
            format!("leave `{end}` out: `{chat}` is added")
        };
        self.record(self.fault(at, Code::InvalidValue, message).help(help));
        None
    }

    pub(super) fn api_version(&self, field: Field<String>, kind: &Kind) -> Option<Option<String>> {
        const MOST: usize = 32;
        // Whether any of them changes a path; some codecs know only some versions.
        let has_versions = ["v1", "v1beta", "2024-10-21"].iter().any(|version| {
            path(kind.codec, Operation::Chat, Some(version)) != path(kind.codec, Operation::Chat, None)
        });
        if !has_versions {
            self.no_effect(&field, "api_version", &format!("kind `{}`", kind.name));
        }
        self.optional(field, |version, at| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if (1..=MOST).contains(&version.len()) && version.bytes().all(plain) {
                return Some(version);
            }
            let message = format!(
                "expected a version such as `2024-10-21` or `v1beta`, found `{}`",
                self.quoted(at, &version)
            );
            self.refuse(at, Code::InvalidValue, message)
        })
    }
}

fn path(codec: &dyn Codec, operation: Operation, api_version: Option<&str>) -> Option<Cow<'static, str>> {
    codec.path(&Place { operation, model: MODEL, stream: false, api_version })
}

/// Ends that a base URL does not have because the codec adds them, and those of OpenAI's URLs if the API is another.
fn ends(codec: &dyn Codec, api_version: Option<&str>) -> Vec<String> {
    let path = |operation| path(codec, operation, api_version).unwrap_or_default();
    let mut ends = added(&path(Operation::Chat), &path(Operation::Models));
    if codec.dialect() != Some(Dialect::Chat) {
        ends.extend(["/v1", "/openai"].map(str::to_owned));
    }
    ends
}

/// What people copy from a full address: the whole path of a chat, or the beginning that all paths of the API share.
fn added(chat: &str, models: &str) -> Vec<String> {
    let bare = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
    let (chat, models) = (bare(chat), bare(models));
    let pairs = chat.split('/').zip(models.split('/'));
    let shared: Vec<&str> =
        pairs.take_while(|(one, other)| one == other).map(|(segment, _)| segment).collect();
    let beginnings = (2..=shared.len()).filter_map(|count| Some(shared.get(..count)?.join("/")));
    beginnings.chain([chat.clone()]).filter(|end| !end.is_empty()).collect()
}

/// The URL without all of these ends, and what was taken off; none if there was nothing to take off.
fn without(url: &BaseUrl, ends: &[String]) -> Option<(String, BaseUrl)> {
    let mut right = url.clone();
    while let Some(shorter) = ends.iter().find_map(|end| right.without(end)) {
        right = shorter;
    }
    let end = url.path().strip_prefix(right.path()).filter(|end| !end.is_empty())?;
    Some((end.to_owned(), right))
}

#[cfg(test)]
mod tests {
    use wire::provider::KINDS;

    use super::*;

    fn right(url: &str, chat: &str, models: &str) -> Option<String> {
        let (_, right) = without(&url.parse().unwrap(), &added(chat, models))?;
        Some(right.to_string())
    }

    #[test]
    fn the_beginning_of_the_paths_that_are_added_is_taken_off() {
        for (chat, models, url, want) in [
            ("/v1/messages", "/v1/models", "https://h/v1", "https://h"),
            ("/v1/messages", "/v1/models", "https://h/claude/v1/messages/", "https://h/claude"),
            ("/v1/messages", "/v1/models", "https://h/v1/v1", "https://h"),
            ("/api/chat", "/api/tags", "http://h:11434/api", "http://h:11434"),
            ("/openai/v1/chat/completions", "/openai/v1/models", "https://h/openai/v1", "https://h"),
            ("/openai/v1/chat/completions", "/openai/v1/models", "https://h/openai", "https://h"),
            (
                "/openai/deployments/m/chat/completions?v=1",
                "/openai/models?v=1",
                "https://h/openai",
                "https://h",
            ),
            ("/v1beta/models/m:generateContent", "/v1beta/models", "https://h/v1beta", "https://h"),
            ("/v1beta/models/m:generateContent", "/v1beta/models", "https://h/v1beta/models", "https://h"),
            ("/chat/completions", "/models", "https://h/v1/chat/completions", "https://h/v1"),
        ] {
            assert_eq!(right(url, chat, models).as_deref(), Some(want), "{url}");
        }
    }

    #[test]
    fn no_kind_has_an_address_that_would_be_refused() {
        for kind in KINDS {
            let Some(url) = kind.base_url else { continue };
            assert_eq!(without(&url.parse().unwrap(), &ends(kind.codec, None)), None, "{}", kind.name);
        }
    }

    #[test]
    fn paths_of_somebodys_own_are_left_alone() {
        for (chat, models, url) in [
            ("/v1/messages", "/v1/models", "https://h"),
            ("/v1/messages", "/v1/models", "https://h/v1/claude"),
            ("/v1/messages", "/v1/models", "https://h/apiv1"),
            ("/api/chat", "/api/tags", "https://h/ollama"),
            ("/chat/completions", "/models", "https://h/openai/v1"),
            ("/chat/completions", "/models", "https://h/models"),
            ("/chat/completions", "/models", "https://h/chat"),
        ] {
            assert_eq!(right(url, chat, models), None, "{url}");
        }
    }
}
