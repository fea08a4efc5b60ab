//! Changes of the schema: each is an entry of the log of its own.

use sqlparser::ast;

use super::transaction::Mode;
use super::variables::is_on;
use super::{Output, Result, Session};
use crate::ddl::{Change, Ddl};
use crate::error::SqlError;
use crate::sql::{password, table};
use crate::state::{Command, Outcome};

impl Session {
    /// CREATE TABLE.
    pub(super) async fn create_table(
        &mut self,
        create: &ast::CreateTable,
        locality: bool,
    ) -> Result<Output> {
        let ddl = table::definition(create, locality, self.variable("database"))?;
        self.ddl(ddl).await
    }

    /// A change of a user with a password, which goes nowhere as it is.
    pub(super) async fn password(&mut self, mut ddl: Ddl, text: Option<&str>) -> Result<Output> {
        if text.is_some() && self.node.tls.is_none() {
            return Err(SqlError::new(
                "28P01",
                "setting or updating a password is not supported in insecure mode",
            ));
        }
        if let Ddl::CreateUser { password, .. } | Ddl::SetPassword { password, .. } = &mut ddl {
            *password = text.map(password::hash).transpose()?;
        }
        self.ddl(ddl).await
    }

    pub(super) async fn ddl(&mut self, ddl: Ddl) -> Result<Output> {
        let restricted = matches!(
            ddl,
            Ddl::AlterDatabase {
                change: Change::Placement(_),
                ..
            } | Ddl::CreateDatabase {
                restricted: Some(_),
                ..
            }
        );
        if restricted && !is_on(self.variable("enable_multiregion_placement_policy")) {
            return Err(SqlError::new("XCEXF", "PLACEMENT requires that the session setting enable_multiregion_placement_policy is enabled")
                .hint("to use PLACEMENT, enable the session setting with SET enable_multiregion_placement_policy = true or enable the cluster setting sql.defaults.multiregion_placement_policy.enabled"));
        }
        if let Mode::Open(open) = &self.mode {
            if open.txn.as_ref().is_some_and(|txn| !txn.is_fresh()) || open.restart {
                if !is_on(self.variable("autocommit_before_ddl")) {
                    return Err(SqlError::unsupported(
                        "a schema change in a transaction with autocommit_before_ddl off",
                    ));
                }
                let txn = open.txn.clone();
                if let Some(txn) = txn {
                    self.commit(&txn).await?;
                }
            }
            self.notices.push(("NOTICE", "auto-committing transaction before processing DDL due to autocommit_before_ddl setting".to_owned()));
            self.enter(Mode::Idle);
        }
        match self
            .node
            .propose(Command::Ddl {
                ddl,
                user: self.user.clone(),
            })
            .await?
        {
            Outcome::Done(done) => {
                self.notices
                    .extend(done.notices.into_iter().map(|words| ("NOTICE", words)));
                Ok(Output::Tag(done.tag, None))
            }
            Outcome::Refused(error) => Err(error),
            _ => Err(SqlError::new("XX000", "the leader answered something else")),
        }
    }
}
