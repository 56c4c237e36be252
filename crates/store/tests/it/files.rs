//! What is peculiar to SQLite's files: room, deleted text, damage.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use domain::IdSource;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use store::Error;

use crate::support::{anna, completed, new, open, open_in, row};

/// A connection beside the store's.
pub(crate) async fn shell(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

#[tokio::test]
async fn deleted_text_is_in_no_file() {
    let opened = open().await;
    let secret = "the quick brown fox 8471";
    let long = format!("{secret} {}", "lorem ipsum ".repeat(2000));
    let id = opened.say(&anna(), new(), secret, &long).await;
    let stays = opened.say(&anna(), new(), "this one stays 1748", "yes").await;
    opened.delete(&anna(), id).await.unwrap();
    let opened = opened.reopen().await;
    assert_eq!(opened.texts(&anna(), stays).await.len(), 2);
    let data = opened.data_dir();
    let dir = opened.close().await;
    let mut found = Vec::new();
    for file in std::fs::read_dir(&data).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!contains(&bytes, secret), "deleted text was found");
        assert!(!contains(&bytes, "lorem ipsum"), "deleted text was found");
        found.push(contains(&bytes, "this one stays 1748"));
    }
    assert!(found.contains(&true), "the search finds what is there");
    drop(dir);
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn the_data_directory_is_closed_to_others() {
    let opened = open().await;
    assert_eq!(mode(&opened.data_dir()), 0o700);
}

#[tokio::test]
async fn the_files_are_closed_to_others_in_a_directory_that_is_open_to_them() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    let opened = open_in(dir).await;
    opened.say(&anna(), new(), "1", "2").await;
    for name in ["parapet.db", "parapet.db-wal", "parapet.db-shm", "parapet.lock"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&data), 0o755, "whose directory it is has decided about it");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn closing_leaves_one_file_and_refuses_what_comes_later() {
    let opened = open().await;
    let (store, data) = (opened.store.clone(), opened.data_dir());
    let id = opened.say(&anna(), new(), "1", "2").await;
    let turn = opened.begin(&anna(), new(), "3").await.unwrap();
    let request = opened.ids.request();
    let _dir = opened.close().await;
    assert!(!data.join("parapet.db-wal").exists());
    assert_eq!(store.settle(row(&anna(), request, 1)).await.unwrap_err(), Error::Unavailable);
    assert_eq!(store.conversation(&anna(), id).await.unwrap_err(), Error::Unavailable);
    assert_eq!(store.ping().await.unwrap_err(), Error::Unavailable);
    assert_eq!(store.slot().unwrap_err(), Error::Unavailable);
    assert_eq!(
        store.finish_turn(turn.lease, completed("4"), Vec::new()).await.unwrap_err(),
        Error::Unavailable
    );
    store.close().await;
}
