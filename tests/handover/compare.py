"""Two portraits of one directory, before and after a change of brokers; and a portrait beside the model."""

LOOSE_GROUPS = ("member", "members")  # whose members go on meanwhile
MOVING = ("flow-java", "flow-rd")


def differences(before, after, decided):
    """Sentences. `decided`: ids of transactions that were decided while no broker ran."""
    found = []
    for part in ("brokers", "features"):
        if before[part] != after[part]:
            found.append(f"{part}: {before[part]} became {after[part]}")
    _topics(before["topics"], after["topics"], bool(decided), found)
    _keyed("transaction", without(before["transactions"], decided), without(after["transactions"], decided), found)
    _groups(before["groups"], after["groups"], decided, found)
    return found


def without(known, names):
    return {k: v for k, v in known.items() if k not in names}


def _keyed(what, before, after, found):
    for name in sorted(set(before) | set(after)):
        if before.get(name) != after.get(name):
            found.append(f"{what} {name}: {before.get(name)} became {after.get(name)}")


def _topics(before, after, is_decided, found):
    if sorted(before) != sorted(after):
        found.append(f"topics {sorted(before)} became {sorted(after)}")
    for name in sorted(set(before) & set(after)):
        old, new = before[name], after[name]
        for part in ("id", "configs", "internal"):
            if old[part] != new[part]:
                found.append(f"{name}: {part} {old[part]} became {new[part]}")
        if sorted(old["partitions"]) != sorted(new["partitions"]):
            found.append(f"{name}: partitions {sorted(old['partitions'])} became {sorted(new['partitions'])}")
            continue
        if old["internal"] or name in MOVING or name == "keys":
            continue
        for number in old["partitions"]:
            _partition(f"{name}-{number}", old["partitions"][number], new["partitions"][number], name == "txn" and is_decided, found)


def _partition(name, old, new, is_decided, found):
    parts = set(old) - {"records", "committed"} - ({"end", "stable", "producers", "newest"} if is_decided else set())
    for part in sorted(parts):
        if old[part] != new[part]:
            found.append(f"{name}: {part} {old[part]} became {new[part]}")
    for part in ("records",) if is_decided else ("records", "committed"):
        if old[part] != new[part]:
            only = [r for r in old[part] if r not in new[part]][:2], [r for r in new[part] if r not in old[part]][:2]
            found.append(f"{name}: {part}: gone, or new: {only}")


def _groups(before, after, decided, found):
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            found.append(f"group {name}: {old} became {new}")
            continue
        if name.removeprefix("txn-") in decided:
            continue
        # A classic member joins again when it wants; those of the consumer protocol keep ids, epochs and partitions.
        parts = ("type", "protocol", "members") if name in LOOSE_GROUPS else ("type", "protocol", "state", "offsets", "members")
        for part in parts:
            if old.get(part) != new.get(part):
                found.append(f"group {name}: {part} {old.get(part)} became {new.get(part)}")


def against_model(portrait, model):
    """Sentences: where a broker tells something else than its clients were told."""
    found = []
    topics = portrait["topics"]
    for (topic, number), wanted in sorted(model.records.items()):
        if topic in MOVING or topic == "keys":
            continue
        partition = topics.get(topic, {"partitions": {}})["partitions"].get(str(number))
        if partition is None:
            found.append(f"{topic}-{number} is not there")
            continue
        has = {r[0]: (r[1], r[2]) for r in partition["records"]}
        if has != wanted:
            gone = [(o, wanted[o]) for o in wanted if has.get(o) != wanted[o]][:3]
            new = [(o, has[o]) for o in has if o not in wanted][:3]
            found.append(f"{topic}-{number}: {len(wanted)} records were acknowledged, {len(has)} are there; missing {gone}, new {new}")
        _fates(f"{topic}-{number}", partition, model.fates.get((topic, number), {}), found)
    latest = {}
    for number, partition in topics["keys"]["partitions"].items():
        wanted = model.records.get(("keys", int(number)), {})
        latest.update({r[1]: r[2] for r in partition["records"]})
        strange = [r for r in partition["records"] if wanted.get(r[0]) != (r[1], r[2])]
        if strange:
            found.append(f"keys-{number}: {strange[0]} was {wanted.get(strange[0][0])}")
    if latest != model.latest:
        found.append(f"keys: {sum(latest.get(k) != v for k, v in model.latest.items())} keys have not their latest value")
    for group, wanted in model.offsets.items():
        offsets = portrait["groups"].get(group, {"offsets": {}})["offsets"]
        has = {p: int(words.split()[0]) for p, words in offsets.items() if words != "none"}
        if has != wanted:
            found.append(f"group {group} stands at {has}, not at {wanted}")
    return found


def _fates(name, partition, fates, found):
    still_open = [offset for offset, t in fates.items() if t.state == "open"]
    stable = min(still_open, default=partition["end"])
    if partition["stable"] != stable:
        found.append(f"{name}: its last stable offset is {partition['stable']}, not {stable}")
    wanted = [r[0] for r in partition["records"] if r[0] < stable and (r[0] not in fates or fates[r[0]].state == "committed")]
    if partition["committed"] != wanted:
        found.append(f"{name}: committed are {len(partition['committed'])} records, not {len(wanted)}")
