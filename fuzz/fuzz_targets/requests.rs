//! Any bytes as a caller's request, translated for any provider: never a panic, and what goes out is well formed.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use parapet_fuzz::codec;
use wire::anthropic::MessagesRequest;
use wire::call::Parameters;
use wire::dialect::{Dialect, Request};
use wire::openai::{ChatRequest, EmbeddingRequest};

fuzz_target!(|input: &[u8]| {
    let [kind, form, body @ ..] = input else { return };
    let body = Bytes::copy_from_slice(body);
    let Some(codec) = codec(*kind) else { return };
    let request = match form % 4 {
        0 => ChatRequest::parse(body).map(Request::Chat),
        1 => MessagesRequest::parse(body).map(Request::Messages),
        2 => MessagesRequest::parse_count(body).map(Request::Messages),
        _ => {
            let Ok(request) = EmbeddingRequest::parse(body) else { return };
            well_formed(request.for_upstream("other \"model\""));
            if let Ok(request) = request.to_embedding()
                && let Ok(body) = codec.embed(&request, "m")
            {
                well_formed(body);
            }
            return;
        }
    };
    let Ok(request) = request else { return };
    let defaults = Parameters { max_tokens: Some(5), temperature: Some(0.5), ..Parameters::default() };
    for request in [request.clone(), request.with_agent("You are \"it\".", &defaults)] {
        if let Some(body) = codec.pass(&request, "other \"model\"") {
            well_formed(body);
        }
        let Ok(call) = request.to_call() else { continue };
        let _ = codec.count(&call, "m").map(well_formed);
        let Ok(body) = codec.chat(&call, "m") else { continue };
        well_formed(body.clone());
        match codec.dialect() {
            Some(Dialect::Chat) => drop(ChatRequest::parse(body).expect("what we write is a chat request")),
            Some(Dialect::Messages) => {
                // A conversation of nothing but thoughts and system messages has no messages here.
                let _ = MessagesRequest::parse(body);
            }
            None => {}
        }
    }
});

fn well_formed(body: Bytes) {
    wire::json::check(&body, wire::json::MAX_DEPTH).expect("what we write is JSON");
}
