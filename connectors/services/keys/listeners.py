"""Where Kafka listens, and to whom: in the clear to this machine, or by TLS 1.3 to those who show who they are.

Locked it has a port for users with passwords (SCRAM-SHA-512), and one by certificate alone, where brokers speak with
each other and the operator enters. So no password stands in its configuration or on a command line, and the first users
are made by the operator. What nobody was given by name is refused, and each refusal is logged.
"""

from __future__ import annotations

from pathlib import Path

from connectors.services.keys.certificates import BROKER, OPERATOR, authority, issue

OPEN = """\
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
"""

LOCKED = """\
listeners=CERTIFICATES://127.0.0.1:{broker},USERS://127.0.0.1:{users},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CERTIFICATES://127.0.0.1:{broker},USERS://127.0.0.1:{users}
listener.security.protocol.map=CERTIFICATES:SSL,USERS:SASL_SSL,CONTROLLER:SSL
inter.broker.listener.name=CERTIFICATES
listener.name.certificates.ssl.client.auth=required
listener.name.controller.ssl.client.auth=required
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.users.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
ssl.enabled.protocols=TLSv1.3
ssl.client.auth=none
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/,DEFAULT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{superusers}
allow.everyone.if.no.acl.found=false
max.connections.per.ip=500
"""

REFUSALS = """\
logger.refusals.name=kafka.authorizer.logger
logger.refusals.level=info
"""
"""For log4j: a line for each refusal, with who, what, on which topic, from where."""


def listeners(broker: int, controller: int, users: int | None, keys: Path) -> str:
    """The lines of ``server.properties``; ``users`` is the port for users with passwords where it is to be locked."""
    if users is None:
        return OPEN.format(broker=broker, controller=controller)
    truststore, keystore = authority(keys), issue(keys, BROKER)
    issue(keys, OPERATOR)
    return LOCKED.format(
        broker=broker,
        controller=controller,
        users=users,
        keystore=keystore,
        truststore=truststore,
        superusers=f"{BROKER};User:{OPERATOR}",
    )
