//! The HTTP listener: health, metrics and status.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use crate::catalog::Membership;
use crate::node::{Node, Phase};

type Answer = Response<Full<Bytes>>;

/// Serves requests for as long as the process lives.
pub(crate) async fn serve(node: Arc<Node>, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let node = node.clone();
        let tls = node.tls.as_ref().map(|tls| tls.now().http.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let node = node.clone();
                async move { Ok::<_, Infallible>(answer(&node, &request)) }
            });
            let http = hyper::server::conn::http1::Builder::new();
            // A client that goes away is nobody's failure.
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        let _ = http.serve_connection(TokioIo::new(stream), service).await;
                    }
                }
                None => {
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                }
            }
        });
    }
}

fn answer(node: &Arc<Node>, request: &Request<Incoming>) -> Answer {
    let ready = request.uri().query().is_some_and(|query| {
        query
            .split('&')
            .any(|part| matches!(part, "ready" | "ready=1" | "ready=true"))
    });
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/health" | "/_admin/v1/health") => match not_ready(node) {
            Some(words) if ready => json_answer(
                StatusCode::SERVICE_UNAVAILABLE,
                &json!({"error": words, "code": 14, "message": words, "details": []}),
            ),
            _ => json_answer(StatusCode::OK, &json!({})),
        },
        (&Method::GET, "/_status/vars" | "/metrics") => {
            let mut answer = Response::new(Full::from(metrics(node)));
            let kind = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4");
            answer
                .headers_mut()
                .insert(hyper::header::CONTENT_TYPE, kind);
            answer
        }
        (&Method::GET, "/_status/nodes") => nodes(node),
        (&Method::POST, "/_status/critical_nodes") => critical(node),
        (&Method::GET, "/") => Response::new(Full::from(
            "Atlas test double of CockroachDB (not CockroachDB): no DB Console here\n",
        )),
        _ => {
            let words = "unsupported by the double";
            json_answer(
                StatusCode::NOT_FOUND,
                &json!({"error": words, "code": 5, "message": words, "details": []}),
            )
        }
    }
}

fn json_answer(status: StatusCode, body: &serde_json::Value) -> Answer {
    let mut answer = Response::new(Full::from(body.to_string()));
    *answer.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("application/json");
    answer
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, kind);
    answer
}

/// Why the node should get no clients.
fn not_ready(node: &Node) -> Option<&'static str> {
    if *node.phase().borrow() != Phase::Serving {
        return Some("node is shutting down");
    }
    let Some(id) = node.id() else {
        return Some("node is waiting for cluster initialization");
    };
    let state = node.local()?;
    match state.catalog.nodes.get(&id) {
        None => Some("liveness record not found"),
        Some(known) if known.membership != Membership::Active => Some("node is not healthy"),
        _ => (!node.has_quorum()).then_some("node is not healthy"),
    }
}

fn metrics(node: &Node) -> String {
    let health = node.health();
    let id = node.id().unwrap_or_default();
    let voter = node.voters().contains(&id);
    let holds = voter || node.non_voters().contains(&id);
    let ranges = node.ranges();
    let leads = node.leads();
    let rows = node.rows();
    let live = rows.iter().filter(|row| row.live).count();
    let count = |yes: bool| if yes { ranges } else { 0 };
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let counters = &node.counters;
    let (node_expires, ca_expires) = node
        .tls
        .as_ref()
        .map_or((0, 0), |tls| tls.now().identity.expirations());
    let trips: std::collections::BTreeMap<u64, u64> = node
        .peers
        .all()
        .into_iter()
        .filter(|(peer, _)| *peer != id)
        .map(|(peer, p)| (peer, p.round_trip))
        .collect();
    let unhealthy = rows
        .iter()
        .filter(|row| !row.live && row.membership == Membership::Active)
        .count();
    let store = [
        ("ranges", "Number of ranges", count(holds)),
        (
            "ranges_unavailable",
            "Number of ranges with fewer live replicas than needed for quorum",
            count(health.unavailable && holds),
        ),
        (
            "ranges_underreplicated",
            "Number of ranges with fewer live replicas than the replication target",
            count(health.underreplicated && (leads || health.unavailable)),
        ),
        (
            "ranges_overreplicated",
            "Number of ranges with more live replicas than the replication target",
            count(health.overreplicated && leads),
        ),
        ("replicas", "Number of replicas", count(holds)),
        ("replicas_leaders", "Number of raft leaders", count(leads)),
        (
            "replicas_leaseholders",
            "Number of lease holders",
            count(leads),
        ),
        (
            "replicas_leaders_not_leaseholders",
            "Number of replicas that are Raft leaders whose range lease is held by another store",
            0,
        ),
        (
            "leases_leader",
            "Number of replica leaseholders using leader leases",
            count(leads),
        ),
        (
            "leases_epoch",
            "Number of replica leaseholders using epoch-based leases",
            0,
        ),
        (
            "leases_expiration",
            "Number of replica leaseholders using expiration-based leases",
            0,
        ),
        (
            "kv_replica_circuit_breaker_num_tripped_replicas",
            "Number of Replicas for which the per-Replica circuit breaker is currently tripped",
            count(holds && node.is_tripped()),
        ),
        (
            "requests_slow_raft",
            "Number of replicated proposals that have been stuck for a long time",
            load(&counters.slow),
        ),
    ];
    let plain = [
        (
            "liveness_livenodes",
            "Number of live nodes in the cluster",
            u64::try_from(live).unwrap_or(0),
        ),
        (
            "sql_conns",
            "Number of open SQL connections",
            load(&counters.connections),
        ),
        (
            "sql_txns_open",
            "Number of currently open user SQL transactions",
            load(&counters.open_transactions),
        ),
        (
            "sql_txn_commit_count",
            "Number of SQL transaction COMMIT statements successfully executed",
            load(&counters.commits),
        ),
        (
            "sql_txn_rollback_count",
            "Number of SQL transaction ROLLBACK statements successfully executed",
            load(&counters.rollbacks),
        ),
        (
            "sql_failure_count",
            "Number of statements resulting in a planning or runtime error",
            load(&counters.failures),
        ),
        (
            "txn_restarts_serializable",
            "Number of restarts due to a forwarded commit timestamp",
            load(&counters.restarts),
        ),
        ("sys_uptime", "Process uptime", node.uptime().as_secs()),
        (
            "rpc_connection_unhealthy",
            "Gauge of current connections in an unhealthy state",
            u64::try_from(unhealthy).unwrap_or(0),
        ),
        (
            "security_certificate_expiration_node",
            "Expiration for the node certificate",
            u64::try_from(node_expires).unwrap_or(0),
        ),
        (
            "security_certificate_expiration_ca",
            "Expiration for the CA certificate",
            u64::try_from(ca_expires).unwrap_or(0),
        ),
    ];
    let mut out = String::from("# Atlas test double of CockroachDB (not CockroachDB)\n");
    for (name, help, value) in store {
        let _ = writeln!(
            out,
            "# HELP {name} {help}\n# TYPE {name} gauge\n{name}{{store=\"{id}\",node_id=\"{id}\"}} {value}"
        );
    }
    for (name, help, value) in plain {
        let kind = if name.ends_with("_count") || name.starts_with("txn_restarts") {
            "counter"
        } else {
            "gauge"
        };
        let _ = writeln!(
            out,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{{node_id=\"{id}\"}} {value}"
        );
    }
    let _ = writeln!(
        out,
        "# HELP double_round_trip_nanos The last round trip to a peer\n# TYPE double_round_trip_nanos gauge"
    );
    for (peer, nanos) in trips {
        let _ = writeln!(
            out,
            "double_round_trip_nanos{{node_id=\"{id}\",peer=\"{peer}\"}} {nanos}"
        );
    }
    let _ = writeln!(
        out,
        "# HELP build_info Build information\n# TYPE build_info gauge\nbuild_info{{node_id=\"{id}\",tag=\"{}\"}} 1",
        crate::node::build()
    );
    out
}

fn nodes(node: &Node) -> Answer {
    if !node.has_quorum() {
        return json_answer(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({"error": "node is not healthy", "code": 14, "message": "node is not healthy", "details": []}),
        );
    }
    let nodes: Vec<serde_json::Value> = node
        .rows()
        .iter()
        .filter(|row| row.membership != Membership::Decommissioned)
        .map(|row| {
            let tiers: Vec<_> = row
                .facts
                .locality
                .0
                .iter()
                .map(|(k, v)| json!({"key": k, "value": v}))
                .collect();
            json!({
                "desc": {
                    "nodeId": row.id,
                    "address": {"networkField": "tcp", "addressField": row.facts.address},
                    "sqlAddress": {"networkField": "tcp", "addressField": row.facts.sql_address},
                    "httpAddress": {"networkField": "tcp", "addressField": row.facts.http_address},
                    "locality": {"tiers": tiers},
                    "buildTag": row.facts.build,
                },
                "buildInfo": {"tag": row.facts.build},
                "startedAt": (row.facts.started_at * 1000).to_string(),
                "updatedAt": (row.updated_at * 1000).to_string(),
            })
        })
        .collect();
    let liveness: serde_json::Map<String, serde_json::Value> = node
        .rows()
        .iter()
        .map(|row| {
            let value = match (row.membership, row.live, row.draining) {
                (Membership::Decommissioned, ..) => 5,
                (Membership::Decommissioning, true, _) => 4,
                (_, true, true) => 6,
                (_, true, false) => 3,
                _ => 2,
            };
            (row.id.to_string(), json!(value))
        })
        .collect();
    json_answer(
        StatusCode::OK,
        &json!({"nodes": nodes, "livenessByNodeId": liveness}),
    )
}

/// Nodes whose loss would cost the quorum, and what is wrong already.
fn critical(node: &Node) -> Answer {
    let health = node.health();
    if health.unavailable {
        return json_answer(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({"error": "node is not healthy", "code": 14, "message": "node is not healthy", "details": []}),
        );
    }
    let voters = node.voters();
    let up = voters.iter().filter(|id| node.is_live(**id)).count();
    // With no voter to spare, every one that is up is needed.
    let needed = (up.saturating_sub(1)) * 2 <= voters.len();
    let critical: Vec<serde_json::Value> = voters
        .iter()
        .filter(|id| needed && node.is_live(**id))
        .map(|id| json!({"nodeId": id}))
        .collect();
    let range = |yes: bool| {
        if yes {
            vec![json!({"rangeDescriptor": {"rangeId": "1"}})]
        } else {
            vec![]
        }
    };
    json_answer(
        StatusCode::OK,
        &json!({
            "criticalNodes": critical,
            "report": {
                "underReplicated": range(health.underreplicated),
                "overReplicated": range(health.overreplicated),
                "violatingConstraints": range(health.violating),
                "unavailable": [],
                "unavailableNodeIds": health.down,
            },
        }),
    )
}
