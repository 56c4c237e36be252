//! The list of models.

use serde::Deserialize;

use crate::event::Malformed;

#[derive(Deserialize)]
struct List {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

/// The names in `{"data":[{"id":…}]}`.
pub(super) fn read(body: &[u8]) -> Result<Vec<String>, Malformed> {
    let list: List = serde_json::from_slice(body).map_err(|_| Malformed::new("no list of models"))?;
    Ok(list.data.into_iter().map(|model| model.id).collect())
}
