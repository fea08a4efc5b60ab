//! The command line of `CockroachDB`, run inside a node's container.
//!
//! Statements go to its standard input: a command line is for everybody on the machine to read.

use std::collections::BTreeMap;
use std::time::Duration;

use super::names::{CERTIFICATES, SQL_PORT};
use super::topology::{self, View};
use crate::context::Context;
use crate::docker::{Node, Output};
use crate::error::{Error, Result};
use crate::labels;

/// How long a node may take to tell its status. One without a quorum may never.
const STATUS_TIMEOUT: &str = "--timeout=10s";
/// Seconds that its command line waits for a node that takes its connection and is not ready for it, by its environment.
const CONNECTS: &str = "COCKROACH_CONNECT_TIMEOUT=5";
/// How long the whole command may take: Docker can lose the end of one.
const STATUS_LIMIT: Duration = Duration::from_secs(30);

/// A row of a table, by column.
pub(super) type Row = BTreeMap<String, String>;

/// What stands between the results of statements that are sent together: the heading and the only cell of a table.
const MARK: &str = "atlas_end_of_result";

/// A statement of SQL. `operation` and `object` name it in errors, in place of its text, which may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    /// For instance "read the zone of".
    pub(super) operation: &'static str,
    /// For instance "RANGE meta".
    pub(super) object: &'a str,
    /// Without a semicolon at its end.
    pub(super) text: String,
}

impl Statement<'_> {
    /// Whether it may be repeated without a thought.
    fn only_reads(&self) -> bool {
        ["SHOW ", "SELECT "]
            .iter()
            .any(|verb| self.text.starts_with(verb))
    }
}

/// The results of statements that were sent together, one by one until the first that failed.
#[derive(Debug)]
pub(super) struct Answers {
    /// The rows of each statement before that.
    pub(super) rows: Vec<Vec<Row>>,
    /// Why the next one failed; `None` where none did.
    pub(super) failure: Option<Error>,
}

/// A node that answers for its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shell {
    /// Its container.
    pub container: String,
    /// Containers of other nodes, which are asked where that one lets nobody in any more.
    others: Vec<String>,
    cluster: String,
    secure: bool,
}

impl Shell {
    /// Of a node's container.
    pub(super) fn of(node: &Node) -> Self {
        Self {
            container: node.name.clone(),
            others: Vec::new(),
            cluster: node
                .label(labels::ATLAS_COCKROACHDB)
                .unwrap_or_default()
                .to_owned(),
            secure: !node.cmd.iter().any(|word| word == "--insecure"),
        }
    }

    /// The same, with these to ask where its container lets nobody in any more: it may be stopping.
    pub(super) fn or_any_of(mut self, others: &[&Node]) -> Self {
        let names = others.iter().map(|node| node.name.clone());
        self.others = names.filter(|name| *name != self.container).collect();
        self
    }

    fn command(&self, container: &str, words: &[&str]) -> Vec<String> {
        let mut command = vec!["/cockroach/cockroach".to_owned()];
        command.extend(words.iter().map(|&word| word.to_owned()));
        command.push(format!("--host={container}:{SQL_PORT}"));
        command.push(if self.secure {
            format!("--certs-dir={CERTIFICATES}")
        } else {
            "--insecure".to_owned()
        });
        // Those that ask by SQL take no name to verify.
        if !matches!(words, ["sql", ..] | ["node", "status", ..]) {
            command.push(format!("--cluster-name={}", self.cluster));
        }
        command
    }

    /// Runs a command without statements; all of ours may be run twice.
    async fn run(&self, cx: &Context, words: &[&str]) -> Result<Output> {
        self.send(cx, words, None, true).await
    }

    /// Runs a command in the first container where it is heard.
    async fn send(
        &self,
        cx: &Context,
        words: &[&str],
        input: Option<&str>,
        repeatable: bool,
    ) -> Result<Output> {
        let mut output = self.send_to(cx, &self.container, words, input).await;
        for other in &self.others {
            let unheard = match &output {
                Ok(output) => is_unheard(output, repeatable),
                // Docker runs no command in a container that has ended.
                Err(Error::Docker { status, .. }) => *status != 0,
                Err(_) => false,
            };
            if !unheard {
                break;
            }
            output = self.send_to(cx, other, words, input).await;
        }
        output
    }

    async fn send_to(
        &self,
        cx: &Context,
        container: &str,
        words: &[&str],
        input: Option<&str>,
    ) -> Result<Output> {
        let command = self.command(container, words);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        cx.docker
            .exec_with(container, &command, &[CONNECTS], input)
            .await
    }

    /// Makes one cluster of all nodes that wait for it; one that is made already is as good.
    pub(super) async fn init(&self, cx: &Context) -> Result<()> {
        let output = self.run(cx, &["init"]).await?;
        if output.code == 0 || output.stderr.contains("already been initialized") {
            return Ok(());
        }
        Err(refused("initialize cluster", &self.cluster, &output))
    }

    /// Tells all nodes, or why there is no answer.
    pub(super) async fn view(&self, cx: &Context) -> Result<View> {
        let words = ["node", "status", "--all", "--format=csv", STATUS_TIMEOUT];
        let Ok(output) = tokio::time::timeout(STATUS_LIMIT, self.run(cx, &words)).await else {
            let reason = format!("it did not report its status within {STATUS_LIMIT:?}");
            return Ok(View::Silent(reason));
        };
        let output = output?;
        if output.code == 0 {
            return topology::parse(&table(&output.stdout)?).map(View::Live);
        }
        let (message, _, _) = complaint(&output);
        Ok(View::Silent(message))
    }

    /// Takes clients and leases from a node.
    pub(super) async fn drain(&self, cx: &Context, id: u64) -> Result<()> {
        let output = self.run(cx, &["node", "drain", &id.to_string()]).await?;
        match output.code {
            0 => Ok(()),
            _ => Err(refused("drain node", &format!("n{id}"), &output)),
        }
    }

    /// Moves all replicas away from these nodes, and takes them out of the cluster for good.
    pub(super) async fn decommission(&self, cx: &Context, ids: &[u64]) -> Result<()> {
        let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
        let mut words = vec!["node", "decommission", "--wait=all", "--format=csv"];
        words.extend(ids.iter().map(String::as_str));
        let output = self.run(cx, &words).await?;
        if output.code == 0 {
            return Ok(());
        }
        let mut error = refused(
            "decommission node",
            &format!("n{}", ids.join(", n")),
            &output,
        );
        if let Error::Cockroach { hint, message, .. } = &mut error
            && output.stderr.contains("blocking decommission")
        {
            let reasons: Vec<&str> = output
                .stderr
                .lines()
                .filter(|line| line.contains("blocked with error"))
                .take(2)
                .collect();
            *message = format!("{message} {}", reasons.join("; "));
            *hint = Some(Box::new(
                "The other nodes cannot take all replicas. Add nodes elsewhere first, or lower the survival goal of \
                 the databases."
                    .into(),
            ));
        }
        Err(error)
    }

    /// Takes nodes back that were to leave.
    pub(super) async fn recommission(&self, cx: &Context, id: u64) -> Result<()> {
        let output = self
            .run(cx, &["node", "recommission", &id.to_string()])
            .await?;
        match output.code {
            0 => Ok(()),
            _ => Err(refused("recommission node", &format!("n{id}"), &output)),
        }
    }

    /// Runs one statement and returns its rows.
    pub(super) async fn sql(
        &self,
        cx: &Context,
        operation: &'static str,
        object: &str,
        statement: &str,
    ) -> Result<Vec<Row>> {
        let statement = Statement {
            operation,
            object,
            text: statement.to_owned(),
        };
        let mut rows = self.all(cx, &[statement]).await?;
        Ok(rows.pop().unwrap_or_default())
    }

    /// Runs statements one after the other, and returns the rows of each.
    pub(super) async fn all(
        &self,
        cx: &Context,
        statements: &[Statement<'_>],
    ) -> Result<Vec<Vec<Row>>> {
        let answers = self.until_failure(cx, statements).await?;
        match answers.failure {
            Some(error) => Err(error),
            None => Ok(answers.rows),
        }
    }

    /// Runs statements one after the other until one fails. They go to one command: to start it and to let it in takes
    /// longer than most statements.
    pub(super) async fn until_failure(
        &self,
        cx: &Context,
        statements: &[Statement<'_>],
    ) -> Result<Answers> {
        let text: String = statements
            .iter()
            .map(|statement| format!("{};\nSELECT 1 AS {MARK};\n", statement.text))
            .collect();
        let words = ["sql", "--format=csv"];
        let repeatable = statements.iter().all(Statement::only_reads);
        let output = self.send(cx, &words, Some(&text), repeatable).await?;
        answers(output, statements)
    }
}

/// What a command printed for statements that each had a [`MARK`] after them.
fn answers(output: Output, statements: &[Statement<'_>]) -> Result<Answers> {
    let end = format!("{MARK}\n1\n");
    let mut texts: Vec<&str> = output.stdout.split(end.as_str()).collect();
    // What follows the last mark belongs to the statement that failed.
    texts.pop();
    let rows = texts
        .iter()
        .map(|text| table(text))
        .collect::<Result<Vec<_>>>()?;
    let failed = statements.get(rows.len());
    let failure = match (failed, output.code) {
        (None, _) => None,
        (Some(statement), 0) => Some(Error::Unexpected {
            what: format!(
                "the result of: {} {}",
                statement.operation, statement.object
            ),
            reason: "the command ended without it".to_owned(),
        }),
        (Some(statement), _) => Some(refused(
            statement.operation,
            statement.object,
            &without_statement(output),
        )),
    };
    Ok(Answers { rows, failure })
}

/// Reads a table with a heading.
fn table(text: &str) -> Result<Vec<Row>> {
    let unexpected = |error: csv::Error| Error::Unexpected {
        what: "a table of CockroachDB".to_owned(),
        reason: error.to_string(),
    };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let columns = reader.headers().map_err(unexpected)?.clone();
    let rows = reader.records().map(|record| {
        let record = record.map_err(unexpected)?;
        let cells = columns.iter().zip(&record);
        Ok(cells
            .map(|(column, cell)| (column.to_owned(), cell.to_owned()))
            .collect())
    });
    rows.collect()
}

/// The elements of an array as a cell shows it: `{a,b}`.
pub(super) fn elements(cell: &str) -> Vec<String> {
    let inner = cell.trim().trim_start_matches('{').trim_end_matches('}');
    inner
        .split(',')
        .map(|element| element.trim().trim_matches('"').to_owned())
        .filter(|element| !element.is_empty())
        .collect()
}

/// What the command line says went wrong: message, SQLSTATE and hint.
fn complaint(output: &Output) -> (String, String, String) {
    let text = if output.stderr.trim().is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    let part = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key))
            .map(|rest| rest.trim().to_owned())
    };
    let message = part("ERROR:").unwrap_or_else(|| text.trim().to_owned());
    (
        message,
        part("SQLSTATE:").unwrap_or_default(),
        part("HINT:").unwrap_or_default(),
    )
}

/// Whether another node is to be asked, as this one did not hear the command, or not to its end where that may be
/// repeated.
fn is_unheard(output: &Output, repeatable: bool) -> bool {
    let (message, code, _) = complaint(output);
    // Docker's words, on whichever stream: the container ended in this moment.
    let never_ran = message.contains("OCI runtime exec failed");
    let drains = code == STOPS;
    let never_entered = output.stdout.is_empty() && (drains || message.starts_with(NO_SERVER));
    let lost = message.is_empty() || LOST.iter().any(|words| message.starts_with(words));
    output.code != 0 && (never_ran || never_entered || repeatable && (drains || lost))
}

/// What a cluster without a quorum says in place of an answer; `None` where it refused for a reason of its own, which may
/// have no code either.
pub(super) fn silence(error: &Error) -> Option<&str> {
    let unanswered = |message: &str| {
        let mut words = LOST
            .iter()
            .chain(&[NO_SERVER, "operation timed out", ENDED]);
        words.any(|words| message.starts_with(words))
    };
    match error {
        Error::Cockroach { code, message, .. }
            if matches!(code.as_str(), "58C00" | "58C01" | STOPS) =>
        {
            Some(message)
        }
        Error::Cockroach { code, message, .. } if code.is_empty() => {
            unanswered(message).then_some(message)
        }
        _ => None,
    }
}

/// Only what is marked as the server's words: elsewhere the statement may be repeated, which may hold secrets.
fn without_statement(mut output: Output) -> Output {
    let marks = ["ERROR:", "SQLSTATE:", "HINT:"];
    let marked = |line: &&str| marks.iter().any(|mark| line.starts_with(mark));
    let lines: Vec<&str> = output.stderr.lines().filter(marked).collect();
    output.stderr = lines.join("\n");
    output.stdout.clear();
    output
}

/// What a node says that drains or shuts down, by SQLSTATE.
const STOPS: &str = "57P01";

/// How the command line begins where no server takes its connection.
const NO_SERVER: &str = "cannot dial server";
/// How it begins where the server went away.
const LOST: [&str; 2] = ["server closed the connection", "connection lost"];

/// How it is told that a command said nothing: it was killed, for instance with its container.
const ENDED: &str = "nothing, and exit code";

fn refused(operation: &'static str, object: &str, output: &Output) -> Error {
    let (message, code, hint) = complaint(output);
    Error::Cockroach {
        operation,
        object: object.to_owned(),
        message: if message.is_empty() {
            format!("{ENDED} {}", output.code)
        } else if code.is_empty() {
            message
        } else {
            format!("{message} (SQLSTATE {code})")
        },
        code,
        hint: (!hint.is_empty()).then(|| Box::new(format!("Hint: {hint}").into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_with_commas_stay_whole() {
        let rows = table("database,regions\nbank,\"{us-east,witness}\"\n").unwrap();
        assert_eq!(elements(&rows[0]["regions"]), ["us-east", "witness"]);
        assert_eq!(table("CREATE DATABASE\n").unwrap(), Vec::<Row>::new());
    }

    /// Statements that read a, b and c.
    fn statements() -> [Statement<'static>; 3] {
        ["a", "b", "c"].map(|object| Statement {
            operation: "read",
            object,
            text: format!("SHOW {object}"),
        })
    }

    #[test]
    fn statements_that_are_sent_together_are_answered_one_by_one() {
        let output = Output {
            code: 0,
            stdout: format!("x\n1\n{MARK}\n1\nSET\n{MARK}\n1\nx,y\n1,2\n3,4\n{MARK}\n1\n"),
            stderr: String::new(),
        };
        let answers = answers(output, &statements()).unwrap();
        assert!(answers.failure.is_none());
        let counts: Vec<usize> = answers.rows.iter().map(Vec::len).collect();
        assert_eq!(counts, [1, 0, 2]);
        assert_eq!(answers.rows[2][1]["y"], "4");
    }

    #[test]
    fn the_statement_that_failed_is_named_and_those_before_it_are_answered() {
        let output = Output {
            code: 1,
            stdout: format!("x\n1\n{MARK}\n1\n"),
            stderr: "ERROR: no such thing\nSQLSTATE: 42704\n".to_owned(),
        };
        let answers = answers(output, &statements()).unwrap();
        assert_eq!(answers.rows.len(), 1);
        let told = answers.failure.unwrap().to_string();
        assert!(told.starts_with("cannot read b: "), "{told}");
    }

    #[test]
    fn what_the_server_said_is_told_with_its_code_and_hint() {
        let output = Output {
            code: 1,
            stdout: String::new(),
            stderr: "ERROR: region \"x\" does not exist\nSQLSTATE: 42602\nHINT: valid regions: a, b\nFailed running \"sql\"\n"
                .to_owned(),
        };
        assert_eq!(
            refused("add region", "x", &output).to_string(),
            "cannot add region x: CockroachDB says: region \"x\" does not exist (SQLSTATE 42602). Hint: valid regions: a, b"
        );
    }

    #[test]
    fn a_lost_quorum_is_silence_and_a_refusal_is_none() {
        let said = |stderr: &str| {
            let output = Output {
                code: 1,
                stdout: String::new(),
                stderr: stderr.to_owned(),
            };
            refused("read", "x", &output)
        };
        let lost = said("ERROR: replica unavailable: lost quorum\nSQLSTATE: 58C00\n");
        assert!(silence(&lost).is_some_and(|message| message.contains("lost quorum")));
        assert!(silence(&said("ERROR: cannot dial server.\n")).is_some());
        assert!(silence(&said("")).is_some(), "it was killed");
        let stops = "ERROR: server is shutting down\nSQLSTATE: 57P01\n";
        assert!(silence(&said(stops)).is_some());
        // Not every refusal has a code.
        for refusal in ["unknown setting\nSQLSTATE: 42704", "unknown setting: \"x\""] {
            assert_eq!(silence(&said(&format!("ERROR: {refusal}\n"))), None);
        }
    }

    #[test]
    fn another_node_is_asked_where_this_one_did_not_hear_the_command() {
        let said = |code, stdout: &str, stderr: &str| Output {
            code,
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        };
        let drains = "ERROR: server is not accepting clients, try another node\nSQLSTATE: 57P01\n";
        let stops = "ERROR: server is shutting down\nSQLSTATE: 57P01\n";
        let refuses = "ERROR: lost quorum\nSQLSTATE: 58C00\n";
        let never_ran = "OCI runtime exec failed: exec failed: cannot exec in a stopped container";
        for (output, once, where_repeatable) in [
            (said(1, "", drains), true, true),
            (said(1, "", "ERROR: cannot dial server.\n"), true, true),
            (said(126, never_ran, ""), true, true),
            // Some of it may have been done.
            (said(1, "SET\n", stops), false, true),
            (said(1, "", "ERROR: connection lost.\n"), false, true),
            (said(137, "", ""), false, true),
            (said(1, "", refuses), false, false),
            (said(0, "", ""), false, false),
        ] {
            let found = (is_unheard(&output, false), is_unheard(&output, true));
            assert_eq!(found, (once, where_repeatable), "{output:?}");
        }
    }

    #[test]
    fn statements_are_not_repeated_in_errors() {
        for stderr in [
            "ERROR: at or near \"x\": syntax error\nDETAIL: source SQL:\nSET x = 'sesame'\n",
            "missing semicolon at end of statement: SET x = 'sesame'\n",
        ] {
            let output = Output {
                code: 1,
                stdout: "sesame".to_owned(),
                stderr: stderr.to_owned(),
            };
            let told = refused("set", "x", &without_statement(output)).to_string();
            assert!(!told.contains("sesame"), "{told}");
        }
    }

    #[test]
    fn statements_are_not_part_of_the_command_line() {
        let shell = Shell {
            container: "node".to_owned(),
            others: Vec::new(),
            cluster: "ledger".to_owned(),
            secure: true,
        };
        assert_eq!(
            shell.command("node", &["sql", "--format=csv"]).join(" "),
            "/cockroach/cockroach sql --format=csv --host=node:26257 --certs-dir=/cockroach/cockroach-certs"
        );
    }
}
