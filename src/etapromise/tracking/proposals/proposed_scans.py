"""Which columns of own tables are those of the scans, and what their codes mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from etapromise.tracking.accounts import MAX_REJECTS
from etapromise.tracking.column_names import (
    is_about,
    names_of,
)
from etapromise.tracking.mapped_columns import text_of
from etapromise.tracking.proposals.column_fits import assigned
from etapromise.tracking.proposals.column_roles import moments_of, proposed_column
from etapromise.tracking.proposals.proposal import OwnTable, Proposal
from etapromise.tracking.proposals.proposed_zones import with_zone
from etapromise.tracking.status_words import status_of_word
from etapromise.tracking.vocabularies import STANDARD, Fault, vocabularies

# Of shorter numbers nobody can tell whose they are.
_LEAST_DIGITS: Final = 3
# Of the rows with an id so many are of one parcel each, where they are states and no events.
_ONE_EACH: Final = 0.98
# A code without a meaning that so many parcels end with decides what becomes of them.
_MANY_ENDS: Final = 0.01
# Share of a code's scans that are a parcel's last, from which on it may be an end of its own.
_ENDS_HERE: Final = 0.5
# Of so many scans a look at their order is enough; a code shows it by so many, and mostly.
_LOOKED_AT: Final = 200_000
_LEAST_SHOWN: Final = 20
_MOSTLY: Final = 0.5
_ON_ITS_WAY: Final = frozenset(
    {"in_transit", "arrived", "departed", "out_for_delivery", "attempted"}
)
# What words say of parcels on their way, and of orders in a shop as well.
_BEFORE: Final = frozenset({"in_transit", "departed"})
_OF_A_SCAN: Final = ("shipment_id", "scanned_at", "status")


def scan_columns(proposal: Proposal) -> None:
    """Fill in the columns of the scans of a proposal, and the meaning of their codes."""
    table = proposal.scans
    if table is None:
        return
    found = assigned(table, [("scans", list(names_of()["scans"])), ("other", ["zone"])])
    for (part, role), one in found.items():
        if part == "scans":
            proposal.scan_columns[role] = one
    if not {"status", "scanned_at"} <= set(proposal.scan_columns):
        # One column was the best for several of its roles.
        proposal.scans = None
        proposal.scan_columns.clear()
        return
    if ("other", "zone") in found and "scanned_at" in proposal.scan_columns:
        when = proposal.scan_columns["scanned_at"]
        if when.guess is not None and not when.guess.zoned:
            zone = _nearest(found["other", "zone"].column, when.column, table)
            proposal.scan_columns["scanned_at"] = with_zone(when, str(zone))
    if "vocabulary" not in proposal.scan_columns:  # else each row says whose its code is
        _codes(proposal, table)


def _nearest(zone: str | None, column: str | None, table: OwnTable) -> str | None:
    """Of the columns that name zones, that which stands beside a column of times."""
    parent = (column or "").rpartition(".")[0]
    beside = [
        name
        for name, one in table.profiles.items()
        if name.rpartition(".")[0] == parent and one.offsets > 0.6
    ]
    return beside[0] if beside else zone


def _codes(proposal: Proposal, table: OwnTable) -> None:
    """Whose codes the scans carry, and what the others of them mean."""
    if proposal.scan_columns["status"].column is None:
        return
    codes = _counted_codes(proposal, table)
    total = sum(codes.values())

    numbers = all(code.isdigit() for code in codes)

    def understood(name: str) -> int:
        meanings = {code: vocabularies()[name].meaning(code) for code in codes}
        return sum(
            codes[code]
            for code, one in meanings.items()
            # The first figure of a number that is in no list is no coarse code.
            if not _unknown(one.status) and not (numbers and one.by_coarse)
        )

    shares = {name: understood(name) for name in vocabularies()}
    best = max(shares, key=lambda name: (shares[name], name == STANDARD))
    # Numbers are everybody's: those of a vendor are all in its list.
    least = total if numbers else 0.5 * total
    if best != STANDARD and (shares[best] < least or shares[STANDARD] >= shares[best]):
        best = STANDARD
    if best != STANDARD and numbers and max(map(len, codes)) < _LEAST_DIGITS:
        # Every shop counts its own states from 1, and several vendors do too.
        have = ", ".join(name for name, n in shares.items() if n == total)
        proposal.told.append(
            f"the codes are small numbers, which {have} have too, as anyone may: say what they "
            "mean, or name the vocabulary"
        )
        best = STANDARD
    contested: dict[str, dict[str, str]] = {}
    if best != STANDARD:
        tied = [name for name, n in shares.items() if n == shares[best]]
        # Of vendors that have all codes alike, those by whose reading parcels arrive.
        arrive = [name for name in tied if "delivered" in map(vocabularies()[name].read, codes)]
        best = best if best in arrive or not arrive else arrive[0]
        contested = _contested(codes, arrive or tied)
        if all(code in contested or not _unknown(_standard(code)) for code in codes):
            best = STANDARD  # no code shows that they are this vendor's
        else:
            proposal.vocabulary = best
            doubt = vocabularies()[best].doubt
            if doubt:
                proposal.told.append(
                    f"the codes look like those of {best}, and {doubt}: please check"
                )
    read = vocabularies()[best].read
    for code, n in sorted(codes.items(), key=lambda one: -one[1]):
        rivals = contested.get(code)
        if rivals is None and not _unknown(read(code)):
            continue
        status = status_of_word(code)
        if rivals is not None:
            others = ", ".join(f"{read} in {name}'s" for name, read in rivals.items())
            status = status or next(iter(rivals.values()))
            why = f"codes of several vendors have it: {others}; please check"
            proposal.statuses[code] = (status, n, why)
        elif status is not None:
            proposal.statuses[code] = (status, n, "its words")
        else:
            proposal.open_codes[code] = n


def _counted_codes(proposal: Proposal, table: OwnTable) -> dict[str, int]:
    column = table.table.column(str(proposal.scan_columns["status"].column))
    counted = pc.value_counts(column.cast(pa.large_string())).to_pylist()
    return {str(one["values"]): int(one["counts"]) for one in counted if one["values"] is not None}


def _standard(code: str) -> str | Fault:
    return vocabularies()[STANDARD].read(code)


def _contested(codes: Mapping[str, int], rivals: Sequence[str]) -> dict[str, dict[str, str]]:
    """Codes that vocabularies which fit equally well read differently, and how each does.

    Where no code is any vendor's own but those that plain words read otherwise, their words are
    a rival too: a few common words are no sign of a vendor.
    """
    readings = {
        code: {
            name: str(found)
            for name in rivals
            if not isinstance(found := vocabularies()[name].read(code), Fault)
        }
        for code in codes
    }
    words = {code: status_of_word(code) for code in codes}
    shown = any(
        found and _unknown(_standard(code)) and words[code] in {None, *found.values()}
        for code, found in readings.items()
    )
    return {
        code: found
        for code, found in readings.items()
        if len({*found.values(), *(() if shown or not found else (words[code],))} - {None}) > 1
    }


def _unknown(found: object) -> bool:
    return found in {Fault.UNKNOWN_STATUS, Fault.UNKNOWN_VENDOR_CODE}


def states_not_events(proposal: Proposal, table: OwnTable) -> None:
    """Where each parcel has one status, its time is that of the last change, not of the record."""
    ids, when = (proposal.scan_columns.get(role) for role in ("shipment_id", "scanned_at"))
    if ids is None or ids.column is None or when is None or when.column is None:
        return
    one = table.profiles[ids.column]
    if one.distinct < _ONE_EACH * one.filled * one.rows or not is_about(when.column, "made"):
        return
    if "delivered" in proposal.milestones:
        # The delivery has a date of its own, which is surer than a state without one.
        proposal.scans = None
        proposal.scan_columns.clear()
        proposal.open_codes.clear()
        proposal.statuses.clear()
        proposal.vocabulary = None
        return
    parent = when.column.rpartition(".")[0]
    changed = [
        profile
        for name, profile in table.profiles.items()
        if name.rpartition(".")[0] == parent
        and is_about(name, "changed")
        and profile.times(numbers=True, named=True) is not None
    ]
    told = f"each parcel has one status, and {when.column} is when its record was made"
    if changed:
        found = proposed_column(changed[0], "scanned_at", 0.6)
        proposal.scan_columns["scanned_at"] = replace(found, why=f"{found.why}; {told}")
        proposal.told.append(
            f"{told}: the status is taken to be of {changed[0].name}, the last change of any kind; "
            "the carrier's events would be surer"
        )
    else:
        proposal.scan_columns["scanned_at"] = replace(
            when, column=None, details={"column": "?"}, asked=f"{told}; when did it change?"
        )


def ask_for_codes(proposal: Proposal, table: OwnTable) -> None:
    """Ask for codes without a meaning by which parcels end, or without which too few are left."""
    parts = [proposal.scan_columns.get(role) for role in _OF_A_SCAN]
    if not proposal.open_codes or any(one is None or one.column is None for one in parts):
        return
    parcels = table.profiles[str(proposal.scan_columns["shipment_id"].column)].distinct
    rows = len(table.table)
    lost = sum(proposal.open_codes.values()) > MAX_REJECTS * rows
    last = _last_codes(proposal, table)
    ends = last.value_counts()
    for code, n in list(proposal.open_codes.items()):
        # After a code of the way most parcels go on; the others are under way, or lost.
        if ends.get(code, 0) >= max(_MANY_ENDS * parcels, _ENDS_HERE * n):
            example = last.index[last == code][0]
            what = f"the last of {ends[code]:,} parcels, such as {example}: does it mean delivered"
        elif lost and n >= _MANY_ENDS * rows:
            what = "without those that nobody knows too few scans are left: does it mean in_transit"
        else:
            continue
        asked = f'{what}, or another status? "nothing" leaves it aside'
        proposal.statuses[code] = "?", proposal.open_codes.pop(code), asked


def doubt_words(proposal: Proposal, table: OwnTable) -> None:
    """Codes that their words alone call a delivery or a pick-up, where their place denies it.

    What most parcels go on after is no delivery, as one to a hub; a pick-up that comes after
    another one, just before the delivery, is the van's; what comes before the pick-up is the
    shop's, whatever is "processing" there.
    """
    parts = [proposal.scan_columns.get(role) for role in _OF_A_SCAN]
    said = {
        code: status
        for code, (status, _, _) in proposal.statuses.items()
        if status in {"delivered", "picked_up", *_BEFORE}
    }
    if not said or any(one is None or one.column is None for one in parts):
        return
    frame = _scans_of_some(proposal, table)
    read = vocabularies()[proposal.vocabulary or STANDARD].read
    known = {
        code: proposal.statuses[code][0] if code in proposal.statuses else read(str(code))
        for code in frame["code"].dropna().unique()
    }
    frame["means"] = frame["code"].map(known)
    frame = frame.dropna().sort_values(["id", "at"], kind="stable").reset_index(drop=True)
    for code, meant in said.items():
        ours = frame["code"] == code
        going_on = frame["means"].isin(_ON_ITS_WAY) & ~ours
        if meant in _BEFORE:
            taken = frame["at"].where(frame["means"] == "picked_up")
            again = ours & (taken.groupby(frame["id"], sort=False).transform("min") > frame["at"])
        elif meant == "picked_up":
            others = frame["at"].where((frame["means"] == "picked_up") & ~ours)
            first = others.groupby(frame["id"], sort=False).transform("min")
            again = ours & (first < frame["at"])
        else:
            last = frame["at"].where(going_on).groupby(frame["id"], sort=False).transform("max")
            again = ours & (last > frame["at"])
        if again.sum() < max(_LEAST_SHOWN, _MOSTLY * ours.sum()):
            continue
        n = proposal.statuses[code][1]
        share = f"{100 * again.sum() / ours.sum():.0f} % of its scans come"
        following = frame["means"].shift(-1)[again & (frame["id"] == frame["id"].shift(-1))]
        if meant in _BEFORE:
            why = f"{share} before the pick-up, in the shop; please check"
            proposal.statuses[code] = "label_created", n, why
        elif meant == "delivered":
            why = f"{share} before the parcel goes on: does it mean in_transit, or another status?"
            proposal.statuses[code] = "?", n, why
        elif following.isin(["delivered", "attempted"]).mean() > _MOSTLY:
            why = f"{share} after another pick-up, most before the delivery; please check"
            proposal.statuses[code] = "out_for_delivery", n, why
        else:
            why = f"{share} after another pick-up: does it mean in_transit, or another status?"
            proposal.statuses[code] = "?", n, why


def _scans_of_some(proposal: Proposal, table: OwnTable) -> pd.DataFrame:
    """The scans of enough parcels to see the order of codes in: ``id``, ``at``, ``code``."""
    ids, when, status = (proposal.scan_columns[role] for role in _OF_A_SCAN)
    own = table.table.select([ids.column, when.column, status.column])
    if len(own) > _LOOKED_AT:
        first = pc.unique(own.column(0).slice(0, _LOOKED_AT // 4))
        own = own.filter(pc.is_in(own.column(0), first))
    return pd.DataFrame(
        {
            "id": text_of(own.column(0)).to_pandas(),
            "at": moments_of(own.column(1), when),
            "code": own.column(2).cast(pa.large_string()).to_pandas(),
        }
    )


def doubt_numbers(proposal: Proposal, table: OwnTable) -> None:
    """Numbers that are no vendor's after all: most of its deliveries go on."""
    parts = [proposal.scan_columns.get(role) for role in _OF_A_SCAN]
    if proposal.vocabulary is None or any(one is None or one.column is None for one in parts):
        return
    counted = _counted_codes(proposal, table)
    if not all(code.isdigit() for code in counted):
        return
    vendor, read = proposal.vocabulary, vocabularies()[proposal.vocabulary].read
    frame = _scans_of_some(proposal, table).dropna().sort_values("at", kind="stable")
    means = frame["code"].map(lambda code: str(read(code)))
    came = frame["id"][means == "delivered"].unique()
    last = means.groupby(frame["id"], sort=False).last()
    if last[came].isin(_ON_ITS_WAY).mean() > _MOSTLY:
        proposal.vocabulary = None
        proposal.statuses.clear()
        proposal.open_codes.update(counted)
        return
    proposal.told.append(f"the codes are numbers, and {vendor} has all of them: please check")


def _last_codes(proposal: Proposal, table: OwnTable) -> pd.Series[str]:
    """The last code of each parcel that has a code without a meaning, by id."""
    ids, when, status = (proposal.scan_columns[role] for role in _OF_A_SCAN)
    own = table.table.select([ids.column, when.column, status.column])
    open_ = pc.is_in(own.column(2).cast(pa.large_string()), pa.array([*proposal.open_codes]))
    own = own.filter(pc.is_in(own.column(0), pc.unique(own.filter(open_).column(0))))
    frame = pd.DataFrame(
        {
            "id": text_of(own.column(0)).to_pandas(),
            "at": moments_of(own.column(1), when),
            "code": own.column(2).cast(pa.large_string()).to_pandas(),
        }
    ).sort_values("at", kind="stable", na_position="first")
    return frame.groupby("id", sort=False)["code"].last()


def statuses_of(proposal: Proposal) -> set[object]:
    """What the codes of the scans mean, as far as it is known; empty where there are none."""
    status = proposal.scan_columns.get("status")
    if proposal.scans is None or status is None or status.column is None:
        return set()
    vocabulary = vocabularies()[proposal.vocabulary or STANDARD]
    words = proposal.scans.profiles[status.column].words
    told = {meant for meant, _, _ in proposal.statuses.values()}
    return told | {vocabulary.read(str(word)) for word in words}


def codes_by_place(proposal: Proposal, table: OwnTable) -> None:
    """A code that is the last of nearly every parcel, once in each, is its delivery."""
    ids = proposal.scan_columns.get("shipment_id")
    when, status = proposal.scan_columns["scanned_at"], proposal.scan_columns["status"]
    if ids is None or not proposal.open_codes or "delivered" in statuses_of(proposal):
        return
    ids_of = pc.unique(table.table.column(str(ids.column)))
    frame = pd.DataFrame(
        {
            "id": table.table.column(str(ids.column)).cast(pa.large_string()).to_pandas(),
            "at": moments_of(table.table.column(str(when.column)), when),
            "code": table.table.column(str(status.column)).cast(pa.large_string()).to_pandas(),
        }
    )
    # Where a parcel has one row, its code is a state, and the last one says nothing.
    frame = frame[frame.groupby("id", sort=False)["id"].transform("size") > 1]
    if frame["id"].nunique() < 0.5 * len(ids_of):
        return
    # Many feeds have the newest first.
    frame = frame.sort_values("at", kind="stable", na_position="first")
    last = frame.groupby("id", sort=False)["code"].last()
    code = str(last.mode().iloc[0])
    n = proposal.open_codes.get(code)
    if n is not None and n >= 0.9 * (last == code).sum() >= 0.5 * len(last):
        proposal.statuses[code] = ("delivered", n, "the last of nearly every parcel; please check")
        proposal.open_codes.pop(code)
