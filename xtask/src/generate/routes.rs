//! The HTTP routes of all listeners, as the OpenAPI documents have them.

use std::fmt::Write as _;

use anyhow::Context;
use serde_json::Value;

use super::{Parapet, cell, head};

/// The OpenAPI documents as they are exported.
pub(super) struct Documents {
    pub(super) public: String,
    metrics: String,
    admin: String,
}

impl Documents {
    pub(super) fn export(parapet: &Parapet) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        parapet.says(["export".as_ref(), "openapi".as_ref(), "-o".as_ref(), folder.path().as_os_str()])?;
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).context(name.to_owned());
        Ok(Self {
            public: read("openapi.json")?,
            metrics: read("openapi.metrics.json")?,
            admin: read("openapi.admin.json")?,
        })
    }

    pub(super) fn page(&self) -> anyhow::Result<String> {
        let mut page = head("HTTP routes", "the route table");
        page.push_str(
            "Every route there is, by listener. The schemas of the public ones are in [openapi.json](openapi.json), \
             which the server also serves as `/openapi.json`. *Anyone* means whoever reaches the listener; which \
             role has which permission is in [Run with keys](../how-to/run-with-keys.md#roles).\n",
        );
        for (title, document) in [
            ("Public: `server.listen`", &self.public),
            ("Metrics and health: `server.metrics.listen`", &self.metrics),
            ("Administration: `server.admin.listen`", &self.admin),
        ] {
            let document: Value = serde_json::from_str(document)?;
            let paths = document.get("paths").and_then(Value::as_object).context("no paths")?;
            // Writing to a String cannot fail.
            let _ =
                write!(page, "\n## {title}\n\n| method | path | permission | what |\n|---|---|---|---|\n");
            for (path, operations) in paths {
                for (method, operation) in operations.as_object().into_iter().flatten() {
                    page.push_str(&row(method, path, operation));
                }
            }
        }
        Ok(page)
    }
}

fn row(method: &str, path: &str, operation: &Value) -> String {
    let text = |member: &str| operation.get(member).and_then(Value::as_str);
    let permission = text("x-permission").map_or_else(|| "anyone".to_owned(), |name| format!("`{name}`"));
    let summary = cell(text("summary").unwrap_or_default());
    format!("| {} | `{path}` | {permission} | {summary} |\n", method.to_ascii_uppercase())
}
