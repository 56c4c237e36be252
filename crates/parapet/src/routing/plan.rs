//! The order in which targets are asked: as the config lists them, each once per key.
//!
//! Health, budgets of retries and balancing order this list later; the loop that walks it is in the pipeline.

use super::catalog::{Callable, Target};

/// Targets still to be asked, best first.
pub(crate) struct Plan<'a> {
    targets: std::slice::Iter<'a, Target>,
}

impl<'a> Plan<'a> {
    pub(crate) fn of(callable: &'a Callable) -> Self {
        Self { targets: callable.targets.iter() }
    }
}

impl<'a> Iterator for Plan<'a> {
    type Item = &'a Target;

    fn next(&mut self) -> Option<&'a Target> {
        self.targets.next()
    }
}
