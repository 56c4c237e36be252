//! Writes the first corpus: every golden file, as every target reads it. `seed TARGET FOLDER`

use std::path::Path;
use std::{env, fs, io};

use parapet_fuzz::{CODECS, codec_of};
use wire::dialect::Dialect;
use wire::provider::Framing;

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let (Some(target), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("usage: seed TARGET FOLDER"));
    };
    fs::create_dir_all(&folder)?;
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/wire/tests/golden");
    all_have_numbers(&golden)?;
    let mut number = 0;
    let mut write = |header: &[u8], body: &[u8]| {
        number += 1;
        fs::write(Path::new(&folder).join(format!("seed-{number:04}")), [header, body].concat())
    };
    for (kind, name) in (0_u8..).zip(CODECS) {
        let of = |folders: &[&str]| {
            let folders = folders.iter().map(|folder| golden.join(name).join(folder));
            folders.flat_map(|folder| files(&folder)).collect::<Vec<_>>()
        };
        match &*target {
            "frames" => {
                let lines = codec_of(name).framing() == Framing::Lines;
                for body in of(&["streams", "broken-streams"]) {
                    write(&[3, u8::from(lines)], &body)?;
                }
            }
            "streams" => {
                for body in of(&["streams", "broken-streams"]) {
                    write(&[kind, 0], &body)?;
                    write(&[kind, 1], &body)?;
                }
            }
            "answers" => {
                for body in of(&["answers", "errors", "embeddings", "counts", "models"]) {
                    write(&[kind, 0, 150], &body)?;
                    write(&[kind, 1, 164], &body)?;
                }
            }
            "requests" => {
                let form = u8::from(codec_of(name).dialect() == Some(Dialect::Messages));
                for body in of(&["requests"]).into_iter().chain(files(&golden.join("calls"))) {
                    write(&[kind, form], &body)?;
                }
            }
            other => return Err(io::Error::other(format!("no target {other}"))),
        }
    }
    Ok(())
}

/// Every provider with golden files of its own is fuzzed.
fn all_have_numbers(golden: &Path) -> io::Result<()> {
    for folder in fs::read_dir(golden)? {
        let folder = folder?.path();
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if folder.join("streams").is_dir() && !CODECS.contains(&name) {
            return Err(io::Error::other(format!("no {name} in CODECS of fuzz/src/lib.rs")));
        }
    }
    Ok(())
}

/// What is in the files of a folder; nothing if there is none.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}
