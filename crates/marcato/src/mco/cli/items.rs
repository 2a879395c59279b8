//! `mco package` and `mco service`: their actions are those of the agents' declarations.

use clap::{Args, Command, ValueEnum};
use marcato_core::ddl::Action;
use marcato_core::{ActionName, Exit};

use super::OrderArgs;
use crate::mco::declared;
use crate::mco::grammar::{RESTART_STALE, Typed, subject_of};
use crate::words::Failure;

/// `mco package NAME ACTION`
#[derive(Debug, Args)]
#[command(
    override_usage = "mco package NAME ACTION [OPTIONS]\n       mco package ACTION [NAME] [OPTIONS]"
)]
#[command(defer(|command| actions(command, "package", &PACKAGE_EXAMPLES)))]
#[command(disable_version_flag = true)]
pub struct Package {
    /// A package and an action, in either order; src:NAME means all packages of a source
    #[arg(value_name = "NAME ACTION", required = true)]
    pub words: Vec<String>,
    /// The package, where it is called like an action
    #[arg(last = true, value_name = "NAME", hide = true)]
    pub name: Option<String>,
    /// Install this version
    #[arg(
        id = "package_version",
        long = "version",
        value_name = "VERSION",
        help_heading = "The package"
    )]
    pub version: Option<String>,
    /// Leave the other installed packages of the same source alone
    #[arg(long, help_heading = "The package")]
    pub only: bool,
    /// When to refresh the package lists first [default: auto, when they are old]
    #[arg(long, value_name = "WHEN", help_heading = "The package")]
    pub refresh: Option<Refresh>,
    /// How long to wait for another process that holds the package manager's lock [default: 120]
    #[arg(long, value_name = "SECONDS", help_heading = "The package")]
    pub lock_wait: Option<u32>,
    /// What every order takes.
    #[command(flatten)]
    pub order: OrderArgs,
}

const PACKAGE_EXAMPLES: [&str; 3] = [
    "mco package openssl status",
    "mco package openssl update -W hagroup=c --reason DSA-5999",
    "mco package checkupdates",
];

/// When the lists of packages are refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Refresh {
    /// When they are old
    Auto,
    /// In any case
    Always,
    /// Take them as they are
    Never,
}

impl Package {
    /// What was typed of the package, for the agent's declaration to judge.
    pub fn typed(&mut self) -> Typed {
        let mut flags = Vec::new();
        flags.extend(self.version.take().map(|version| ("version", version)));
        flags.extend(self.only.then(|| ("only", "true".to_owned())));
        flags.extend(self.lock_wait.map(|seconds| ("lock_wait", seconds.to_string())));
        flags.extend(self.refresh.map(|when| ("refresh", format!("{when:?}").to_lowercase())));
        Typed { words: std::mem::take(&mut self.words), name: self.name.take(), flags }
    }
}

/// `mco service NAME ACTION`
#[derive(Debug, Args)]
#[command(
    override_usage = "mco service NAME ACTION [OPTIONS]\n       mco service ACTION [NAME] [OPTIONS]"
)]
#[command(defer(|command| actions(command, "service", &SERVICE_EXAMPLES)))]
pub struct Service {
    /// A service and an action, in either order
    #[arg(value_name = "NAME ACTION", required = true)]
    pub words: Vec<String>,
    /// The service, where it is called like an action
    #[arg(last = true, value_name = "NAME", hide = true)]
    pub name: Option<String>,
    /// With restart: all services that still use an old file of this library
    #[arg(long, value_name = "LIBRARY", help_heading = "The service")]
    pub stale: Option<String>,
    /// What every order takes.
    #[command(flatten)]
    pub order: OrderArgs,
}

const SERVICE_EXAMPLES: [&str; 4] = [
    "mco service nginx status",
    "mco service nginx restart -W hagroup=c",
    "mco service stale openssl",
    "mco service restart --stale openssl -W hagroup=c",
];

impl Service {
    /// What was typed of the service, for the agent's declaration to judge.
    ///
    /// # Errors
    /// With exit 64, for `--stale` beside anything but `restart`: it chooses the services itself.
    pub fn typed(&mut self) -> Result<Typed, Failure> {
        let (words, name) = (std::mem::take(&mut self.words), self.name.take());
        let Some(library) = self.stale.take() else {
            return Ok(Typed { words, name, ..Typed::default() });
        };
        if words != ["restart"] || name.is_some() {
            let text = "--stale stands beside restart alone: it chooses the services";
            let hint = "mco service restart --stale LIBRARY";
            return Err(Failure::new(Exit::Usage, text).hint(hint));
        }
        let words = vec![RESTART_STALE.1.to_owned()];
        Ok(Typed { words, name: Some(library), ..Typed::default() })
    }
}

/// The help with the actions of the agent's declaration, which is read only then.
fn actions(command: Command, agent: &str, examples: &[&str]) -> Command {
    let Some(Ok(ddl)) = declared::shipped(agent) else { return command };
    let call = |(name, action): (&ActionName, &Action)| {
        let subject = subject_of(action).map(|subject| match action.input[subject].optional {
            true => format!("[{}]", subject.to_uppercase()),
            false => subject.to_uppercase(),
        });
        let call = match (name.as_str(), subject) {
            (name, _) if name == RESTART_STALE.1 => "restart --stale LIBRARY".to_owned(),
            (name, Some(subject)) => format!("{name} {subject}"),
            (name, None) => name.to_owned(),
        };
        (call, action.description.clone())
    };
    let calls: Vec<_> = ddl.actions.iter().map(call).collect();
    let width = calls.iter().map(|(call, _)| call.len()).max().unwrap_or(0);
    let lines = calls.iter().map(|(call, what)| format!("\n  {call:width$}  {what}"));
    let examples = examples.iter().map(|example| format!("\n  {example}"));
    let (lines, examples) = (lines.collect::<String>(), examples.collect::<String>());
    command.after_help(format!("Actions:{lines}\n\nExamples:{examples}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each flag is an input of some action, and each input but the subject has a flag.
    #[test]
    fn flags_and_declarations_agree() {
        let check = |agent: &str, mut flags: Vec<&str>| {
            let ddl = declared::shipped(agent).unwrap().unwrap();
            let inputs = ddl.actions.values().flat_map(|action| {
                let subject = subject_of(action);
                action.input.keys().filter(move |input| subject != Some(input))
            });
            let mut inputs: Vec<&str> = inputs.map(String::as_str).collect();
            inputs.sort_unstable();
            inputs.dedup();
            flags.sort_unstable();
            assert_eq!(inputs, flags, "{agent}");
        };
        let mut package = Package {
            words: Vec::new(),
            name: None,
            version: Some(String::new()),
            only: true,
            refresh: Some(Refresh::Never),
            lock_wait: Some(1),
            order: OrderArgs::default(),
        };
        check("package", package.typed().flags.iter().map(|(input, _)| *input).collect());
        check("service", Vec::new());
    }
}
