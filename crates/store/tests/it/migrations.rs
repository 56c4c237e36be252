//! The schema goes up, down and up again, and never past what this build knows.

use store::{OpenError, migrate};
use tempfile::tempdir;

use crate::files::shell;
use crate::support::{anna, new, open, open_in};

#[tokio::test]
async fn up_down_up_leaves_the_schema_of_a_fresh_database() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let all: Vec<i64> = migrate::status(&data).await.unwrap().iter().map(|step| step.version).collect();
    assert!(!data.exists(), "asking creates nothing");
    assert_eq!(migrate::up(&data).await.unwrap(), all);
    assert_eq!(migrate::up(&data).await.unwrap(), [0; 0]);
    let fresh = schema(&data).await;
    let mut reversed = all.clone();
    reversed.reverse();
    for version in &reversed {
        assert_eq!(migrate::down(&data, 1).await.unwrap(), [*version]);
        let status = migrate::status(&data).await.unwrap();
        assert!(status.iter().all(|step| step.applied == (step.version < *version)));
    }
    assert_eq!(schema(&data).await, Vec::<String>::new());
    assert_eq!(migrate::down(&data, 1).await.unwrap(), [0; 0]);
    assert_eq!(migrate::up(&data).await.unwrap(), all);
    assert_eq!(schema(&data).await, fresh);
    assert_eq!(migrate::down(&data, 99).await.unwrap(), reversed);
}

async fn schema(data: &std::path::Path) -> Vec<String> {
    let mut connection = shell(&data.join("parapet.db")).await;
    sqlx::query_scalar(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE '_sqlx%' ORDER BY name",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap()
}

#[tokio::test]
async fn every_table_has_the_tenant_first_in_its_key() {
    let opened = open().await;
    let path = opened.data_dir().join("parapet.db");
    let _dir = opened.close().await;
    let mut connection = shell(&path).await;
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '_sqlx%'")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert!(tables.len() >= 5);
    for table in tables {
        let first: String = sqlx::query_scalar("SELECT name FROM pragma_table_info(?1) WHERE pk = 1")
            .bind(&table)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(first, "tenant_id", "{table}");
    }
}

#[tokio::test]
async fn data_survives_a_migration_that_has_nothing_to_do() {
    let opened = open().await;
    let id = opened.say(&anna(), new(), "1", "2").await;
    let opened = opened.reopen().await;
    assert_eq!(opened.texts(&anna(), id).await, ["1", "2"]);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let refused =
        opened_after("INSERT INTO _sqlx_migrations VALUES (9999, 'x', 'now', TRUE, x'00', 0)").await;
    assert!(matches!(refused, OpenError::Newer { found: 9999, .. }), "{refused}");
}

#[tokio::test]
async fn a_migration_that_is_not_the_one_applied_is_refused() {
    let refused = opened_after("UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1").await;
    assert!(matches!(refused, OpenError::Edited { version: 1 }), "{refused}");
}

async fn opened_after(tampering: &'static str) -> OpenError {
    let dir = open().await.close().await;
    let data = dir.path().join("data");
    let mut connection = shell(&data.join("parapet.db")).await;
    sqlx::query(tampering).execute(&mut connection).await.unwrap();
    drop(connection);
    let migrated = migrate::up(&data).await.unwrap_err();
    let opened = refusal(&data).await;
    assert_eq!(migrated.to_string(), opened.to_string());
    opened
}

async fn refusal(data: &std::path::Path) -> OpenError {
    let clock = std::sync::Arc::new(domain::SystemClock::default());
    let ids = std::sync::Arc::new(domain::TimeOrderedIds::new(clock.clone()));
    let options =
        store::Options { data_dir: data.to_owned(), durability: store::Durability::Full, clock, ids };
    store::Store::open(options).await.err().unwrap()
}

#[tokio::test]
async fn a_second_process_is_refused_until_the_first_is_done() {
    let opened = open().await;
    let data = opened.data_dir();
    let refused = refusal(&data).await;
    assert!(matches!(refused, OpenError::InUse { .. }));
    assert!(refused.to_string().contains("storage.data_dir"));
    assert!(matches!(migrate::up(&data).await.unwrap_err(), OpenError::InUse { .. }));
    let dir = opened.close().await;
    open_in(dir).await.close().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("parapet.db"), "no database ".repeat(1000)).unwrap();
    let refused = refusal(&data).await;
    assert!(matches!(&refused, OpenError::Database { .. }), "{refused}");
    assert!(refused.to_string().contains("parapet.db"));
}
