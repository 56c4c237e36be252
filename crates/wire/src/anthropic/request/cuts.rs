use crate::json::Span;

/// The elements of one array that are cut out, so that an array is left.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    spans: Vec<Span>,
    /// An element so far stays.
    kept: bool,
    /// Where a cut starts that reaches to the next element.
    open: Option<usize>,
    /// Behind the last element.
    end: usize,
}

impl Cuts {
    /// The next element. Behind one that stays, a cut begins with the comma in front; else it ends with the one behind.
    pub(super) fn element(&mut self, span: Span, out: bool) {
        if let Some(start) = self.open.take() {
            self.spans.push(Span { start, end: span.start });
        }
        match (out, self.kept) {
            (false, _) => self.kept = true,
            (true, true) => self.spans.push(Span { start: self.end, end: span.end }),
            (true, false) => self.open = Some(span.start),
        }
        self.end = span.end;
    }

    /// What to cut, comma included, in order.
    pub(super) fn finish(mut self) -> Vec<Span> {
        let last = self.open.take().map(|start| Span { start, end: self.end });
        self.spans.extend(last);
        self.spans
    }
}
