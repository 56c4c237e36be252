//! What the fuzz targets share.

use wire::dialect::Dialect;
use wire::event::Choice;
use wire::gather::Gathered;
use wire::provider::{Codec, kind};

/// The kinds with a codec of their own. The place of one is its number in every input that was kept: new ones come last.
pub const CODECS: &[&str] = &["openai", "azure", "anthropic", "gemini", "ollama"];

/// The codec of that number; none if nobody has it.
#[must_use]
pub fn codec(number: u8) -> Option<&'static dyn Codec> {
    CODECS.get(usize::from(number)).map(|name| codec_of(name))
}

/// The codec of a kind that is known to be there.
#[must_use]
pub fn codec_of(name: &str) -> &'static dyn Codec {
    kind(name).expect("a kind of that name").codec
}

/// One of the dialects.
#[must_use]
pub const fn dialect(number: u8) -> Dialect {
    if number % 2 == 0 { Dialect::Chat } else { Dialect::Messages }
}

#[must_use]
pub const fn answer_id(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Chat => "chatcmpl-1",
        Dialect::Messages => "msg_1",
    }
}

/// The codec that reads what we write in a dialect.
#[must_use]
pub fn reading_codec(dialect: Dialect) -> &'static dyn Codec {
    match dialect {
        Dialect::Chat => codec_of("openai"),
        Dialect::Messages => codec_of("anthropic"),
    }
}

/// What the first choice says, as far as every dialect can say it.
#[derive(Default)]
pub struct Story {
    words: String,
    gathered: Gathered,
}

impl Story {
    /// The next piece, of any choice.
    pub fn add(&mut self, choice: &Choice<'_>) {
        if choice.index == 0 {
            // The messages dialect has no refusals beside its texts.
            choice.text.append_to(&mut self.words);
            choice.refusal.append_to(&mut self.words);
            // What is too much to be held is too much for a test.
            let _ = self.gathered.add(choice);
        }
    }

    /// It is finished, and its calls have names: what a lenient reader lets pass without one is not told again.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.gathered.finish.is_some() && self.gathered.tool_calls.iter().all(|call| !call.name.is_empty())
    }

    /// Panics unless `told` is the same story.
    pub fn is_told_by(&self, told: &Self) {
        assert_eq!(told.words, self.words);
        let names = |story: &Self| -> Vec<String> {
            story.gathered.tool_calls.iter().map(|call| call.name.clone()).collect()
        };
        assert_eq!(names(told), names(self));
        for (call, told) in self.gathered.tool_calls.iter().zip(&told.gathered.tool_calls) {
            // What is no object has a form of its own in the messages dialect.
            let is_object = |text: &str| {
                wire::json::check(text.as_bytes(), wire::json::MAX_DEPTH).is_ok()
                    && text.trim().starts_with('{')
            };
            if is_object(&call.arguments) {
                assert_eq!(told.arguments.trim(), call.arguments.trim());
            }
        }
    }
}
