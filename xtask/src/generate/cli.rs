//! The command line, as its help texts have it.

use std::fmt::Write as _;

use super::{Parapet, head};

pub(super) fn page(parapet: &Parapet) -> anyhow::Result<String> {
    let mut page = head("Command line", "the help texts");
    page.push_str(
        "Results go to standard output, messages to standard error; `--json` makes results JSON. The exit code is 0 \
         for fine, 1 for findings or a failed call, 2 for wrong usage or a wrong config. Colour is used on a terminal \
         only, and not with `NO_COLOR`.\n",
    );
    describe(parapet, &mut Vec::new(), &mut page)?;
    Ok(page)
}

/// One command, then those below it.
fn describe(parapet: &Parapet, path: &mut Vec<String>, page: &mut String) -> anyhow::Result<()> {
    let help = parapet.says(path.iter().map(String::as_str).chain(["--help"]))?;
    let name = ["parapet"].into_iter().chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    // Writing to a String cannot fail.
    let _ = write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", help.trim_end());
    for command in commands(&help) {
        path.push(command.to_owned());
        describe(parapet, path, page)?;
        path.pop();
    }
    Ok(())
}

/// The names in the `Commands:` section; `help` says what is said here.
fn commands(help: &str) -> impl Iterator<Item = &str> {
    let section = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = section.take_while(|line| line.starts_with("  ")).filter_map(|line| {
        let name = line.strip_prefix("  ")?;
        // A longer description goes on further to the right.
        (!name.starts_with(' ')).then(|| name.split(' ').next())?
    });
    names.filter(|name| *name != "help")
}

#[cfg(test)]
mod tests {
    use super::commands;

    #[test]
    fn commands_are_found_and_descriptions_are_not() {
        let help = "Usage: x\n\nCommands:\n  serve    Runs\n  longer   Says a lot\n           and more\n  help     Print\n\nOptions:\n  -h\n";
        assert_eq!(commands(help).collect::<Vec<_>>(), ["serve", "longer"]);
    }
}
