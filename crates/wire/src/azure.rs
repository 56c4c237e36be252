//! The azure API.

use std::borrow::Cow;

use bytes::Bytes;

use crate::call::Call;
use crate::event::{Answer, Malformed, UpstreamError};
use crate::provider::{Codec, Place, StreamReader, Uncarried};

pub static CODEC: Api = Api;

#[derive(Debug)]
pub struct Api;

impl Codec for Api {
    fn path(&self, _to: &Place<'_>) -> Option<Cow<'static, str>> {
        Some("/".into())
    }

    fn chat(&self, _call: &Call, _model: &str) -> Result<Bytes, Uncarried> {
        todo!()
    }

    fn reader(&self) -> Box<dyn StreamReader> {
        todo!()
    }

    fn read_answer<'a>(&self, _body: &'a [u8]) -> Result<Answer<'a>, Malformed> {
        todo!()
    }

    fn read_error(&self, _status: u16, _body: &[u8]) -> UpstreamError {
        todo!()
    }

    fn read_models(&self, _body: &[u8]) -> Result<Vec<String>, Malformed> {
        todo!()
    }
}
