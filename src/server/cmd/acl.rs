//! ACL: the one user `default`, who may do everything.
//!
//! # Differences from Redis
//!
//! * There are no other users, and nothing can be forbidden to this one.

use super::command::{CATEGORIES, categories};
use super::wrong_form;
use super::{container, help, row};
use crate::base::number;
use crate::base::text::shown;
use crate::command::flags::{ADMIN, CONTAINER, LOADING, NOSCRIPT, STALE};
use crate::command::{CommandError, Group, Spec};
use crate::machine::Outbox;
use crate::resp::Reply;
use crate::server::acl_log::{AclLog, Refusal};
use crate::server::config::RuleError;
use crate::server::table::ServerRun;
use crate::server::{Ask, Server};

/// The rows of this file.
pub(super) const COMMANDS: &[Spec<ServerRun>] = &[
    row(Group::Server, "ACL", -2, CONTAINER, "6.0.0", container)
        .doc("A container for Access List Control commands."),
    row(Group::Server, "ACL|CAT", -2, LOADING | NOSCRIPT | STALE, "6.0.0", cat)
        .doc("List the ACL categories or the commands inside a category."),
    row(Group::Server, "ACL|DRYRUN", -4, ADMIN | LOADING | NOSCRIPT | STALE, "7.0.0", dryrun).doc(
        "Returns whether the user can execute the given command without executing the command.",
    ),
    row(Group::Server, "ACL|GETUSER", 3, ADMIN | LOADING | NOSCRIPT | STALE, "6.0.0", getuser)
        .doc("Get the rules for a specific ACL user."),
    row(Group::Server, "ACL|HELP", 2, LOADING | STALE, "6.0.0", acl_help)
        .doc("Show helpful text about the different subcommands."),
    row(Group::Server, "ACL|LIST", 2, ADMIN | LOADING | NOSCRIPT | STALE, "6.0.0", list)
        .doc("List the current ACL rules in ACL config file format."),
    row(Group::Server, "ACL|USERS", 2, ADMIN | LOADING | NOSCRIPT | STALE, "6.0.0", users)
        .doc("List the username of all the configured ACL rules."),
    row(Group::Server, "ACL|WHOAMI", 2, LOADING | NOSCRIPT | STALE, "6.0.0", whoami)
        .doc("Return the name of the user associated to the current connection."),
    row(Group::Server, "ACL|LOG", -2, ADMIN | LOADING | NOSCRIPT | STALE, "6.0.0", log)
        .doc("List latest events denied because of ACLs in place."),
    row(Group::Server, "ACL|SETUSER", -3, ADMIN | LOADING | NOSCRIPT | STALE, "6.0.0", setuser)
        .doc("Modify or create the rules for a specific ACL user."),
    row(Group::Server, "ACL|DELUSER", -3, ADMIN | LOADING | NOSCRIPT | STALE, "6.0.0", deluser)
        .doc("Remove the specified ACL users and the associated rules."),
    row(Group::Server, "ACL|LOAD", 2, ADMIN | LOADING | NOSCRIPT | STALE, "6.0.0", no_file)
        .doc("Reload the ACLs from the configured ACL file."),
    row(Group::Server, "ACL|SAVE", 2, ADMIN | LOADING | NOSCRIPT | STALE, "6.0.0", no_file)
        .doc("Save the current ACL rules in the configured ACL file."),
    row(Group::Server, "ACL|GENPASS", -2, LOADING | NOSCRIPT | STALE, "6.0.0", genpass)
        .doc("Generate a pseudorandom secure password to use for ACL users."),
];

const HELP: &[&str] = &[
    "CAT [<category>]",
    "    List all commands that belong to <category>, or all command categories",
    "    when no category is specified.",
    "DELUSER <username> [<username> ...]",
    "    Delete a list of users.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Returns whether the user can execute the given command without executing the command.",
    "GETUSER <username>",
    "    Get the user's details.",
    "GENPASS [<bits>]",
    "    Generate a secure 256-bit user password. The optional `bits` argument can",
    "    be used to specify a different size.",
    "LIST",
    "    Show users details in config file format.",
    "LOAD",
    "    Reload users from the ACL file.",
    "LOG [<count> | RESET]",
    "    Show the ACL log entries.",
    "SAVE",
    "    Save the current config to the ACL file.",
    "SETUSER <username> <attribute> [<attribute> ...]",
    "    Create or modify a user with the specified attributes.",
    "USERS",
    "    List all the registered usernames.",
    "WHOAMI",
    "    Return the current connection username.",
];

/// What ACL LOG shows unless it is told how much.
const REFUSALS_SHOWN: i64 = 10;

type Answer = Result<(), CommandError>;

fn whoami(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    server.reply(ask).bulk("default");
    Ok(())
}

fn users(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let reply = server.reply(ask);
    reply.array(1);
    reply.bulk("default");
    Ok(())
}

fn list(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let user = server.config.user.to_string();
    let reply = server.reply(ask);
    reply.array(1);
    reply.bulk(user);
    Ok(())
}

fn getuser(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let user = server.config.user.clone();
    let reply = server.reply(ask);
    if ask.arg(2) != b"default" {
        reply.null();
        return Ok(());
    }
    reply.map(6);
    reply.bulk("flags");
    reply.set(user.flags().count());
    user.flags().for_each(|flag| reply.bulk(flag));
    reply.bulk("passwords");
    reply.array(user.passwords().len());
    user.passwords().iter().for_each(|password| reply.bulk(password));
    for (field, rule) in [("commands", "+@all"), ("keys", "~*"), ("channels", "&*")] {
        reply.bulk(field);
        reply.bulk(rule);
    }
    reply.bulk("selectors");
    reply.array(0);
    Ok(())
}

fn cat(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let names: Vec<&str> = match ask.args {
        [_, _] => CATEGORIES.to_vec(),
        [_, _, category] => {
            let known = CATEGORIES.iter().find(|c| c.as_bytes().eq_ignore_ascii_case(category));
            let known = known.ok_or_else(|| {
                let category = shown(category);
                CommandError::new(format!("ERR Unknown category '{category}'"))
            })?;
            let commands = server.config.renames.all();
            let inside = commands.filter(|command| categories(command).contains(known));
            inside.map(|command| command.name.as_str()).collect()
        }
        _ => return Err(wrong_form(ask)),
    };
    let reply = server.reply(ask);
    reply.array(names.len());
    for name in names {
        reply.bulk(name);
    }
    Ok(())
}

fn genpass(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    let bits = match ask.args {
        [_, _] => 256,
        [_, _, bits] => number::parse_i64(bits).ok_or(CommandError::NOT_AN_INTEGER)?,
        _ => return Err(wrong_form(ask)),
    };
    let bits = Some(bits).filter(|bits| (1..=4096).contains(bits)).ok_or(CommandError::fixed(
        "ERR ACL GENPASS argument must be the number of bits for the output password, a positive \
         number up to 4096",
    ))?;
    let digits = (bits as usize).div_ceil(4);
    let mut text = String::new();
    while text.len() < digits {
        text.push_str(&server.dice.hex40());
    }
    text.truncate(digits);
    server.reply(ask).bulk(text);
    Ok(())
}

fn log(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    if ask.args.len() > 3 {
        return Err(wrong_form(ask));
    }
    if ask.is(2, "RESET") {
        server.acl_log = AclLog::default();
        server.reply(ask).ok();
        return Ok(());
    }
    let count = match ask.args.get(2) {
        Some(word) => number::parse_i64(word).ok_or(CommandError::NOT_AN_INTEGER)?,
        None => REFUSALS_SHOWN,
    };
    let count = usize::try_from(count).unwrap_or(0);
    let refusals: Vec<_> = server.acl_log.refusals.iter().take(count).cloned().collect();
    let now_ms = server.now.wall_ms();
    let reply = server.reply(ask);
    reply.array(refusals.len());
    for refusal in refusals {
        show(reply, &refusal, now_ms);
    }
    Ok(())
}

fn show(reply: &mut Reply, refusal: &Refusal, now_ms: i64) {
    reply.map(7);
    reply.bulk("count");
    reply.int(refusal.count as i64);
    for (name, text) in [
        ("reason", &b"auth"[..]),
        ("context", refusal.context.as_bytes()),
        ("object", &refusal.command),
        ("username", &refusal.user),
    ] {
        reply.bulk(name);
        reply.bulk(text);
    }
    reply.bulk("age-seconds");
    reply.double(&number::text_f64((now_ms - refusal.at_ms) as f64 / 1000.0));
    reply.bulk("client-info");
    reply.bulk(&refusal.client);
}

fn dryrun(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    if ask.arg(2) != b"default" {
        let user = shown(ask.arg(2));
        return Err(CommandError::new(format!("ERR User '{user}' not found")));
    }
    let words = &ask.args[3..];
    let command =
        server.config.renames.look_up(words).map_err(|_| {
            CommandError::new(format!("ERR Command '{}' not found", shown(ask.arg(3))))
        })?;
    if !command.fits(words.len()) {
        return Err(CommandError::wrong_arity(&command.name));
    }
    server.reply(ask).ok();
    Ok(())
}

fn setuser(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    if ask.arg(2) != b"default" {
        return Err(CommandError::new(format!("ERR {}", RuleError::TakesAway)));
    }
    let rules = &ask.args[3..];
    server.config.user = server.config.user.changed(rules).map_err(|error| {
        CommandError::new(match error {
            RuleError::Wrong { at, .. } => {
                format!("ERR Error in ACL SETUSER modifier '{}': {error}", shown(rules[at]))
            }
            RuleError::TakesAway => format!("ERR {error}"),
        })
    })?;
    server.reply(ask).ok();
    Ok(())
}

fn deluser(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    if ask.args[2..].contains(&b"default".as_slice()) {
        return Err(CommandError::fixed("ERR The 'default' user cannot be removed"));
    }
    server.reply(ask).int(0);
    Ok(())
}

fn no_file(_: &mut Server, _: &Ask<'_>, _: &mut Outbox) -> Answer {
    Err(CommandError::fixed(
        "ERR This Redis instance is not configured to use an ACL file. You may want to specify \
         users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a \
         Redis configuration file set) in order to store users in the Redis configuration.",
    ))
}

fn acl_help(server: &mut Server, ask: &Ask<'_>, _: &mut Outbox) -> Answer {
    help(server, ask, HELP);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Bench;

    #[test]
    fn there_is_one_user() {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        for (line, answer) in [
            ("ACL WHOAMI", "\"default\""),
            ("ACL LIST", "1) \"user default on nopass ~* &* +@all\""),
            ("ACL GETUSER x", "(nil)"),
            ("ACL CAT foo", "(error) ERR Unknown category 'foo'"),
            (
                "ACL SETUSER default off",
                "(error) ERR only the user 'default' with everything allowed is supported, with or \
                 without passwords: on ~* &* +@all",
            ),
            ("ACL DELUSER default", "(error) ERR The 'default' user cannot be removed"),
        ] {
            assert_eq!(bench.ask(conn, line), answer, "{line}");
        }
        bench.ask(conn, "CONFIG SET requirepass a");
        assert_eq!(
            bench.ask(conn, "ACL LIST"),
            "1) \"user default on \
             #ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb ~* &* +@all\""
        );
    }
}
