//! What a user can do with the provider, done with the user's own programs. One file per theme; one
//! program, so that its tests share the machine's cores evenly.
//!
//! `README.md` beside this folder tells how to run one of them.

mod ansible;
mod ansible_cockroachdb;
mod ansible_contract;
mod ansible_faults;
mod bank;
mod bridge;
mod cloud;
mod cluster;
mod cockroachdb;
mod drift;
mod examples;
mod faults;
mod inventory;
mod k3d_contract;
mod k3d_interop;
mod localstack;
mod network;
mod peer;
mod playbook;
mod proxy;
mod replication;
mod scripts;
mod storage;
mod sweep;
mod validation;
mod web;
