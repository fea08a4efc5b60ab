//! `sql -e`: executes statements and prints what comes of them.

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::cli::flags::Flags;
use crate::cli::table::Format;
use crate::cli::{PORT, address, identity, show};
use crate::error::CliError;

/// Runs `sql`.
pub(crate) async fn run(flags: &Flags) -> Result<i32, CliError> {
    let statements = flags.all("execute");
    if statements.is_empty() {
        return Err(
            CliError::new("unsupported by the double: an interactive shell")
                .hint("pass --execute (-e)"),
        );
    }
    let format = Format::parse(flags.get("format"))?;
    let client = connect(flags).await?;
    for text in &statements {
        let messages = client.simple_query(text).await.map_err(|e| failed(&e))?;
        let mut columns: Vec<String> = Vec::new();
        let mut rows: Vec<Vec<Option<String>>> = Vec::new();
        let mut has_columns = false;
        for message in messages {
            match message {
                SimpleQueryMessage::RowDescription(described) => {
                    columns = described
                        .iter()
                        .map(|column| column.name().to_owned())
                        .collect();
                    rows.clear();
                    has_columns = true;
                }
                SimpleQueryMessage::Row(row) => {
                    rows.push(
                        (0..row.len())
                            .map(|n| row.get(n).map(str::to_owned))
                            .collect(),
                    );
                }
                SimpleQueryMessage::CommandComplete(count) => {
                    if has_columns {
                        show(&format.print(&columns, &rows));
                        has_columns = false;
                        rows.clear();
                    } else if count > 0 {
                        show(&format!(
                            "OK, {count} row{} affected\n",
                            if count == 1 { "" } else { "s" }
                        ));
                    } else {
                        show("OK\n");
                    }
                }
                _ => (),
            }
        }
    }
    Ok(0)
}

fn failed(error: &tokio_postgres::Error) -> CliError {
    if let Some(db) = error.as_db_error() {
        let detail = db.detail().map(|detail| format!("\nDETAIL: {detail}"));
        let error = CliError::new(format!(
            "{}\nSQLSTATE: {}{}",
            db.message(),
            db.code().code(),
            detail.unwrap_or_default()
        ));
        return match db.hint() {
            Some(hint) => error.hint(hint),
            None => error,
        };
    }
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        words = format!("{words}: {inner}");
        source = inner.source();
    }
    CliError::new(format!(
        "cannot dial server.\nIs the server running?\n{words}"
    ))
}

async fn connect(flags: &Flags) -> Result<Client, CliError> {
    let mut config = tokio_postgres::Config::new();
    let user = flags.get("user").unwrap_or("root").to_owned();
    if let Some(url) = flags.get("url") {
        config = url
            .parse()
            .map_err(|e| CliError::new(format!("invalid --url: {e}")))?;
    } else {
        let at = address(flags.get("host").unwrap_or("localhost"), PORT);
        let (host, port) = at.rsplit_once(':').unwrap_or((&at, "26257"));
        let port = port
            .parse()
            .map_err(|_| CliError::flag(format!("invalid port in --host: {at}")))?;
        config
            .host(host.trim_matches(['[', ']']))
            .port(port)
            .user(&user);
        config.dbname(flags.get("database").unwrap_or("defaultdb"));
    }
    config.application_name("$ cockroach sql");
    config.connect_timeout(std::time::Duration::from_secs(15));
    let secure = !flags.is("insecure") && flags.get("url").is_none();
    if secure {
        let identity = identity(flags, &format!("client.{user}"))?;
        let Some(identity) = identity else {
            return Err(CliError::new("no certificates"));
        };
        config.ssl_mode(tokio_postgres::config::SslMode::Require);
        let (tls, refusal) = identity.client()?;
        let connected = config.connect(MakeRustlsConnect::new(tls)).await;
        let (client, connection) =
            connected.map_err(|e| refusal.take().map_or_else(|| failed(&e), CliError::new))?;
        tokio::spawn(connection);
        return Ok(client);
    }
    let (client, connection) = config.connect(NoTls).await.map_err(|e| failed(&e))?;
    tokio::spawn(connection);
    Ok(client)
}
