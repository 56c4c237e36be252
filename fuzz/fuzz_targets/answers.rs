//! Any bytes as any provider's whole answer or error, translated into any dialect: never a panic, and what was written
//! is read back as what was said.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_fuzz::{Story, answer_id, codec, dialect, reading_codec};
use wire::dialect::Head;
use wire::event::Answer;

fuzz_target!(|input: &[u8]| {
    let [kind, form, status, body @ ..] = input else { return };
    let Some(codec) = codec(*kind) else { return };
    let dialect = dialect(*form);
    let _ = codec.read_error(100 + 2 * u16::from(*status), body);
    let _ = codec.read_embeddings(body);
    let _ = codec.read_count(body);
    let _ = codec.read_models(body);
    let Ok(answer) = codec.read_answer(body) else { return };
    if answer.error.is_some() || !story(&answer).is_whole() {
        return;
    }
    let head = Head { id: answer_id(dialect), created: 1, model: "m" };
    let Ok(written) = dialect.answer(&head, &answer, &domain::Usage::default()) else { return };
    let again = reading_codec(dialect).read_answer(&written).expect("what we write is an answer");
    story(&answer).is_told_by(&story(&again));
});

fn story(answer: &Answer<'_>) -> Story {
    let mut story = Story::default();
    answer.choices.iter().for_each(|choice| story.add(choice));
    story
}
