//! `init` and `node …`: what the command line asks of a running node.

use std::time::{Duration, Instant};

use chrono::DateTime;

use super::flags::Flags;
use super::table::Format;
use super::{Line, show, within_connect_timeout};
use crate::catalog::Membership;
use crate::error::CliError;
use crate::rpc::{Request, Response, StatusRow};

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `init`.
pub(crate) async fn init(flags: &Flags) -> Result<i32, CliError> {
    let line = Line::new(flags)?;
    let begun = Instant::now();
    // A node that is just being started is waited for, as the vendor's client does.
    let response = loop {
        let answer = line
            .call(
                Request::Init {
                    cluster_name: name(flags),
                },
                PATIENCE,
            )
            .await;
        match answer {
            Err(error)
                if error.message.contains("onnection refused")
                    && begun.elapsed() < Duration::from_secs(5) =>
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            other => break other?,
        }
    };
    match response {
        Response::Ok => {
            show("Cluster successfully initialized\n");
            Ok(0)
        }
        _ => Err(unexpected()),
    }
}

/// The cluster's name, or a star when it is not to be verified.
fn name(flags: &Flags) -> Option<String> {
    if flags.is("disable-cluster-name-verification") {
        return Some("*".to_owned());
    }
    flags.get("cluster-name").map(str::to_owned)
}

fn unexpected() -> CliError {
    CliError::new("the node answered something else")
}

/// Runs `node <what>`.
pub(crate) async fn run(command: &str, flags: &Flags) -> Result<i32, CliError> {
    let format = Format::parse(flags.get("format"))?;
    let mut ids = Vec::new();
    for argument in &flags.arguments {
        ids.push(argument.trim_start_matches('n').parse::<u64>().map_err(|_| {
            CliError::new(format!("unable to parse {argument:?}: strconv.ParseInt: parsing {argument:?}: invalid syntax"))
        })?);
    }
    let line = Line::new(flags)?;
    match command {
        "node status" => status(&line, flags, format, &ids).await,
        "node drain" => drain(&line, flags, &ids).await,
        "node decommission" => decommission(&line, flags, format, ids).await,
        _ => {
            chosen(flags, &ids)?;
            let membership = Membership::Active;
            line.call(
                Request::Mark {
                    nodes: ids.clone(),
                    membership,
                },
                PATIENCE,
            )
            .await?;
            let rows = rows(&line, PATIENCE).await?;
            show(&memberships(format, &rows, &ids));
            Ok(0)
        }
    }
}

/// Nodes are named, or `--self` is given.
fn chosen(flags: &Flags, ids: &[u64]) -> Result<(), CliError> {
    match (ids.is_empty(), flags.is("self")) {
        (true, false) => Err(CliError::new(
            "no node ID specified; use --self to target the node specified with --host",
        )),
        (false, true) => Err(CliError::new(
            "cannot use --self with an explicit list of node IDs",
        )),
        _ => Ok(()),
    }
}

async fn rows(line: &Line, patience: Duration) -> Result<Vec<StatusRow>, CliError> {
    match line.call(Request::Status, patience).await? {
        Response::Status(rows) => Ok(rows),
        _ => Err(unexpected()),
    }
}

/// The same as a client of SQL, which a node lets wait before its `init`.
async fn rows_when_ready(line: &Line, patience: Duration) -> Result<Vec<StatusRow>, CliError> {
    loop {
        match rows(line, patience).await {
            Err(error) if error.message.contains("node waiting for init") => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            other => return other,
        }
    }
}

async fn status(line: &Line, flags: &Flags, format: Format, ids: &[u64]) -> Result<i32, CliError> {
    let patience = flags.duration("timeout")?.unwrap_or(PATIENCE);
    let all = within_connect_timeout(rows_when_ready(line, patience)).await??;
    for id in ids {
        if !all.iter().any(|row| row.id == *id) {
            return Err(CliError::new(format!("node {id} doesn't exist")));
        }
    }
    let every = flags.is("all");
    let decommission = every || flags.is("decommission");
    let mut columns = vec![
        "id",
        "address",
        "sql_address",
        "build",
        "started_at",
        "updated_at",
        "locality",
        "attrs",
        "is_available",
        "is_live",
    ];
    if every || flags.is("ranges") {
        columns.extend([
            "replicas_leaders",
            "replicas_leaseholders",
            "ranges",
            "ranges_unavailable",
            "ranges_underreplicated",
        ]);
    }
    if every || flags.is("stats") {
        columns.extend([
            "live_bytes",
            "key_bytes",
            "value_bytes",
            "intent_bytes",
            "system_bytes",
        ]);
    }
    if decommission {
        columns.extend([
            "gossiped_replicas",
            "is_decommissioning",
            "membership",
            "is_draining",
        ]);
    }
    let cell = |row: &StatusRow, column: &str| -> String {
        let ranges = |yes: bool| {
            if yes {
                row.replicas.to_string()
            } else {
                "0".to_owned()
            }
        };
        match column {
            "id" => row.id.to_string(),
            "address" => row.facts.address.clone(),
            "sql_address" => row.facts.sql_address.clone(),
            "build" => row.facts.build.clone(),
            "started_at" => time(row.facts.started_at),
            "updated_at" => time(row.updated_at),
            "locality" => row.facts.locality.to_string(),
            "attrs" => format!("[{}]", row.facts.attrs.replace(':', " ")),
            "is_available" => row.available.to_string(),
            "is_live" => row.live.to_string(),
            "replicas_leaders" | "replicas_leaseholders" => ranges(row.leads),
            "ranges" | "gossiped_replicas" => row.replicas.to_string(),
            "ranges_unavailable" => ranges(row.unavailable && row.live),
            "ranges_underreplicated" => ranges(row.underreplicated && row.leads),
            "is_decommissioning" => (row.membership != Membership::Active).to_string(),
            "membership" => row.membership.name().to_owned(),
            "is_draining" => row.draining.to_string(),
            _ => "0".to_owned(),
        }
    };
    let wanted = |row: &&StatusRow| {
        if ids.is_empty() {
            decommission || row.membership != Membership::Decommissioned
        } else {
            ids.contains(&row.id)
        }
    };
    let cells: Vec<Vec<Option<String>>> = all
        .iter()
        .filter(wanted)
        .map(|row| {
            columns
                .iter()
                .map(|column| Some(cell(row, column)))
                .collect()
        })
        .collect();
    let columns: Vec<String> = columns.into_iter().map(str::to_owned).collect();
    show(&format.print(&columns, &cells));
    Ok(0)
}

fn time(micros: i64) -> String {
    let at = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    at.format("%Y-%m-%d %H:%M:%S%.6f +0000 UTC").to_string()
}

async fn drain(line: &Line, flags: &Flags, ids: &[u64]) -> Result<i32, CliError> {
    chosen(flags, ids)?;
    if ids.len() > 1 {
        return Err(CliError::new(format!(
            "accepts at most 1 arg(s), received {}",
            ids.len()
        )));
    }
    let wait = flags
        .duration("drain-wait")?
        .unwrap_or(Duration::from_secs(600));
    let wait = if wait.is_zero() {
        Duration::from_secs(600)
    } else {
        wait
    };
    show("node is draining... ");
    let request = Request::Drain {
        node: ids.first().copied(),
        shutdown: flags.is("shutdown"),
    };
    let begun = Instant::now();
    match line.call(request, wait).await {
        Ok(Response::Remaining(_)) => {
            show("remaining: 0 (complete)\nok\n");
            Ok(0)
        }
        Ok(_) => Err(unexpected()),
        Err(_) if begun.elapsed() >= wait => Err(CliError::new("drain timeout")),
        Err(error) => Err(error),
    }
}

fn memberships(format: Format, rows: &[StatusRow], ids: &[u64]) -> String {
    let columns = [
        "id",
        "is_live",
        "replicas",
        "is_decommissioning",
        "membership",
        "is_draining",
    ];
    decommission_table(format, rows, ids, &columns, |_| ("ready", 0))
}

fn decommission_table(
    format: Format,
    rows: &[StatusRow],
    ids: &[u64],
    columns: &[&str],
    readiness: impl Fn(u64) -> (&'static str, u64),
) -> String {
    let cells: Vec<Vec<Option<String>>> = rows
        .iter()
        .filter(|row| ids.contains(&row.id))
        .map(|row| {
            columns
                .iter()
                .map(|column| {
                    Some(match *column {
                        "id" => row.id.to_string(),
                        "is_live" => row.live.to_string(),
                        "replicas" => row.replicas.to_string(),
                        "is_decommissioning" => (row.membership != Membership::Active).to_string(),
                        "membership" => row.membership.name().to_owned(),
                        "is_draining" => row.draining.to_string(),
                        "readiness" => readiness(row.id).0.to_owned(),
                        _ => readiness(row.id).1.to_string(),
                    })
                })
                .collect()
        })
        .collect();
    let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
    format.print(&columns, &cells)
}

async fn decommission(
    line: &Line,
    flags: &Flags,
    format: Format,
    mut ids: Vec<u64>,
) -> Result<i32, CliError> {
    chosen(flags, &ids)?;
    let wait = flags.get("wait").unwrap_or("all");
    if !matches!(wait, "all" | "none") {
        return Err(CliError::flag(format!(
            "invalid argument {wait:?} for \"--wait\" flag: invalid node decommission parameter: {wait}"
        )));
    }
    let checks = flags.get("checks").unwrap_or("enabled");
    if !matches!(checks, "enabled" | "strict" | "skip") {
        return Err(CliError::flag(format!(
            "invalid argument {checks:?} for \"--checks\" flag: invalid node decommission parameter: {checks}"
        )));
    }
    let dry_run = flags.is("dry-run");
    let request = Request::Decommission {
        nodes: ids.clone(),
        skip: checks == "skip",
        dry_run,
    };
    let Response::Ready(ready) = line.call(request, PATIENCE).await? else {
        return Err(unexpected());
    };
    ids = ready.iter().map(|(id, _)| *id).collect();
    let before = rows(line, PATIENCE).await?;
    let blocked: Vec<&String> = ready
        .iter()
        .filter_map(|(_, words)| words.as_ref())
        .collect();
    let readiness = |id: u64| {
        let blocked = ready
            .iter()
            .any(|(known, words)| *known == id && words.is_some());
        let replicas = before
            .iter()
            .find(|row| row.id == id)
            .map_or(0, |row| row.replicas);
        if blocked {
            ("allocation errors", replicas)
        } else {
            ("ready", 0)
        }
    };
    let columns = [
        "id",
        "is_live",
        "replicas",
        "is_decommissioning",
        "membership",
        "is_draining",
        "readiness",
        "blocking_ranges",
    ];
    if !blocked.is_empty() {
        show(&decommission_table(
            format, &before, &ids, &columns, readiness,
        ));
        eprintln!("\nranges blocking decommission detected");
        for words in blocked {
            eprintln!("{words}");
        }
        return Err(CliError::new("Cannot decommission nodes."));
    }
    if dry_run {
        show(&decommission_table(
            format, &before, &ids, &columns, readiness,
        ));
        show("\nDecommissioning pre-checks complete. No errors were detected (dry run).\n");
        return Ok(0);
    }
    let mut last = String::new();
    // Replicas leave a node as soon as it does not vote any more.
    loop {
        let now = rows(line, PATIENCE).await?;
        let text = decommission_table(format, &now, &ids, &columns, readiness);
        if text != last {
            show(&text);
            last = text;
        }
        if wait == "none" {
            return Ok(0);
        }
        let mine: Vec<&StatusRow> = now.iter().filter(|row| ids.contains(&row.id)).collect();
        if mine
            .iter()
            .all(|row| row.membership == Membership::Decommissioned)
        {
            break;
        }
        let voters = line.call(Request::Voters, PATIENCE).await?;
        let Response::Voters(voters) = voters else {
            return Err(unexpected());
        };
        let waiting = mine.iter().any(|row| voters.contains(&row.id) || row.leads);
        if waiting {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        }
        for row in mine.iter().filter(|row| row.live && !row.draining) {
            show(&format!("\ndraining node n{}\n", row.id));
            let request = Request::Drain {
                node: Some(row.id),
                shutdown: false,
            };
            line.call(request, Duration::from_secs(600)).await?;
            show(&format!("node n{} drained successfully\n", row.id));
        }
        let membership = Membership::Decommissioned;
        line.call(
            Request::Mark {
                nodes: ids.clone(),
                membership,
            },
            PATIENCE,
        )
        .await?;
    }
    show(
        "\nNo more data reported on target nodes. Please verify cluster health before removing the nodes.\n",
    );
    Ok(0)
}
