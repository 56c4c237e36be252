//! Every statement finds its rows through a key or an index, and sorts nothing.

use sqlx::{Row, SqliteConnection};

use super::connection::Database;
use super::{audit, conversations, ledger, migrations, turns};
use crate::store::Durability;

const STATEMENTS: &[(&str, &str)] = &[
    ("attempts", ledger::ATTEMPTS),
    ("audit", audit::APPEND),
    ("create", conversations::CREATE),
    ("change", conversations::CHANGE),
    ("delete", conversations::DELETE),
    ("one", conversations::ONE),
    ("list ascending", conversations::LIST_ASCENDING),
    ("list descending", conversations::LIST_DESCENDING),
    ("items ascending", conversations::ITEMS_ASCENDING),
    ("items descending", conversations::ITEMS_DESCENDING),
    ("place", conversations::PLACE),
    ("history", conversations::HISTORY),
    ("entitle", turns::ENTITLE),
    ("begin", turns::BEGIN),
    ("begin new", turns::BEGIN_NEW),
    ("end", turns::END),
    ("fail", turns::FAIL),
    ("answer", turns::ANSWER),
    ("answer and fail", turns::ANSWER_AND_FAIL),
    ("recover", turns::RECOVER),
];

#[tokio::test]
async fn no_statement_scans_a_table_or_sorts() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::new(dir.path());
    let mut connection = database.created(Durability::Relaxed).await.unwrap();
    migrations::up(&database, &mut connection).await.unwrap();
    for (name, statement) in STATEMENTS {
        for part in statement.split("; ") {
            for step in plan(&mut connection, part).await {
                // The index has only the turns that are running.
                let running = step.starts_with("SCAN turns USING") && step.ends_with("INDEX turns_running");
                let scans = step.starts_with("SCAN") && !running;
                assert!(!scans && !step.contains("TEMP B-TREE"), "{name}: {step}");
            }
        }
    }
    for list in [conversations::LIST_ASCENDING, conversations::LIST_DESCENDING] {
        let list = plan(&mut connection, list).await;
        assert!(
            list[0].contains("(tenant_id=? AND user_id=? AND conversation_id>? AND conversation_id<?)"),
            "{list:?}"
        );
    }
}

async fn plan(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let rows = sqlx::query(explain).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get("detail")).collect()
}
