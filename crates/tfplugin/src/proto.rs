//! The wire's messages and services, generated from `proto/`. Public for tests that play Terraform.
#![allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    reason = "generated"
)]

/// Terraform's provider protocol.
pub mod tfplugin6 {
    tonic::include_proto!("tfplugin6");
}

/// go-plugin's own services.
pub mod plugin {
    tonic::include_proto!("plugin");
}

/// The standard health check.
pub mod health {
    tonic::include_proto!("grpc.health.v1");
}
