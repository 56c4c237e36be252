//! A config under test: text, environment, flags and files.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use parapet_config::{Fault, Input, Loaded, Style, Text, load, render};

#[derive(Clone, Default)]
pub(crate) struct Case {
    file: Option<String>,
    env: BTreeMap<String, String>,
    flags: Vec<(String, String)>,
    files: BTreeMap<String, String>,
}

impl Case {
    /// With the built-in config.
    pub(crate) fn builtin() -> Self {
        Self::default()
    }

    pub(crate) fn new(file: impl Into<String>) -> Self {
        Self { file: Some(file.into()), ..Self::default() }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn flag(mut self, key: &str, value: &str) -> Self {
        self.flags.push((key.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    pub(crate) fn load(&self) -> Result<Loaded, Vec<Fault>> {
        let read = |path: &Path| {
            let text = path.to_str().and_then(|path| self.files.get(path));
            text.cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        let file = self.file.as_deref().map(|text| Text { name: "parapet.yaml", text });
        load(&Input { file, env: &self.env, flags: &self.flags, read: &read })
    }

    #[track_caller]
    pub(crate) fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|faults| panic!("{}", render(&faults, Style::Plain)))
    }

    #[track_caller]
    pub(crate) fn faults(&self) -> Vec<Fault> {
        match self.load() {
            Ok(loaded) => panic!("expected faults, got:\n{}", loaded.show()),
            Err(faults) => faults,
        }
    }

    /// The codes of all faults, in order.
    #[track_caller]
    pub(crate) fn codes(&self) -> Vec<&'static str> {
        self.faults().iter().map(|fault| fault.code.as_str()).collect()
    }

    /// All faults as people see them.
    #[track_caller]
    pub(crate) fn rendered(&self) -> String {
        render(&self.faults(), Style::Plain)
    }
}

/// The codes of all notices, in order.
pub(crate) fn notices(loaded: &Loaded) -> Vec<&'static str> {
    loaded.notices.iter().map(|notice| notice.code.as_str()).collect()
}
