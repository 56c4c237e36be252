//! What `load` promises, seen from outside.

#[cfg(test)]
mod agents;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod never_panics;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod secrecy;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod support;
#[cfg(test)]
mod targets;
