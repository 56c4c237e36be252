//! Keys and values that are part of the product's config and that this version would have to ignore.
//!
//! Ignoring a limit or a guardrail is worse than not starting, so they are refused by name. A row leaves this
//! table in the commit that gives its key an effect.

/// Dotted keys. `*` stands for any name or number, a leading `**` for any sections.
const KEYS: &[&str] = &[
    "include",
    "profiles",
    "app.environment",
    "server.tls",
    "server.trusted_proxies",
    "server.cors",
    "server.admin.public",
    "providers.*.retry",
    "providers.*.circuit_breaker",
    "providers.*.limits",
    "providers.*.prices",
    "models.*.sticky",
    "models.*.targets.*.weight",
    "agents.*.pack",
    "agents.*.fallback",
    "agents.*.guardrails",
    "agents.*.team",
    "agents.*.starters",
    // Tools that are called from here. Those of `agents.*.tools` are called by the caller.
    "agents.*.tools.*.http",
    "agents.*.tools.*.mcp",
    "agents.*.history.ttl",
    "storage.redis",
    "storage.database.url",
    "storage.database.pool",
    "cache",
    "limits",
    "budgets",
    "guardrails",
    "auth.access_token",
    "auth.api_keys",
    "auth.oidc",
    "auth.roles",
    "privacy",
    "telemetry.traces",
    "alerts",
    "backup",
    "flags",
    // Sources of secrets, wherever a secret can stand.
    "**.vault",
    "**.command",
];

/// Keys of which some values are enforced and these are not.
const VALUES: &[(&str, &[&str])] = &[
    ("providers.*.kind", &["bedrock", "vertex"]),
    ("models.*.strategy", &["weighted", "round-robin", "p2c", "cheapest"]),
    ("agents.*.history.store", &["redis"]),
];

pub(crate) fn is_key(path: &[&str]) -> bool {
    KEYS.iter().any(|pattern| matches(pattern, path))
}

pub(crate) fn is_value(path: &[&str], value: &str) -> bool {
    VALUES.iter().any(|(pattern, values)| matches(pattern, path) && values.contains(&value))
}

fn matches(pattern: &str, path: &[&str]) -> bool {
    if let Some(last) = pattern.strip_prefix("**.") {
        return path.len() > 1 && path.last() == Some(&last);
    }
    let mut keys = path.iter();
    pattern.split('.').all(|part| keys.next().is_some_and(|key| part == "*" || part == *key))
        && keys.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_keys_only() {
        assert!(is_key(&["limits"]));
        assert!(is_key(&["providers", "limits", "limits"]));
        assert!(is_key(&["auth", "keys", "0", "key", "vault"]));
        assert!(!is_key(&["providers", "limits"]));
        assert!(!is_key(&["limits", "user"]));
        assert!(!is_key(&["vault"]));
        assert!(is_value(&["providers", "x", "kind"], "bedrock"));
        assert!(!is_value(&["providers", "x", "kind"], "openai"));
    }
}
