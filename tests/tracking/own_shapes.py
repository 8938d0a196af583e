"""A small made-up network (a warehouse in Gdansk) in the shapes that shops hold their tables in."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

HOME = "Europe/Warsaw"
ZONES = {"PL": HOME, "FI": "Europe/Helsinki", "IE": "Europe/Dublin", "LT": "Europe/Vilnius"}
NAMES = {"PL": "Polska", "FI": "Finlandia", "IE": "Irlandia", "LT": "Litwa"}
POSTCODES = {
    "PL": ("80-001", "00-950", "31-042"),
    "FI": ("00100", "33210"),
    "IE": ("D02 X285", "T12 AB34"),
    "LT": ("LT-01100", "LT-44240"),
}
EXCEL = dt.datetime(1899, 12, 30)  # noqa: DTZ001 (a spreadsheet knows no zones)


def parcels(seed: int, count: int = 400, days: int = 120) -> pd.DataFrame:
    """Parcels in local times: ordered and picked at the warehouse, delivered where they went."""
    random = np.random.default_rng(seed)
    countries = random.choice(list(ZONES), count, p=[0.6, 0.15, 0.15, 0.1])
    ordered = pd.Timestamp("2025-02-03") + pd.to_timedelta(
        np.sort(random.integers(0, days * 1440, count)), unit="min"
    )
    picked = (
        ordered.normalize()
        + pd.Timedelta("1D")
        + pd.to_timedelta(random.integers(15 * 60, 18 * 60, count), unit="min")
    )
    delivered = picked.normalize() + pd.to_timedelta(
        random.integers(1, 6, count) * 1440 + random.integers(8 * 60, 20 * 60, count), unit="min"
    )
    table = pd.DataFrame(
        {
            "id": [f"00590077{n:07d}" for n in random.permutation(count)],
            "ordered": ordered,
            "picked": picked,
            "delivered": delivered.where(random.random(count) > 0.01),
            "carrier": random.choice(["InPost", "DPD Polska", "Poczta"], count),
            "postcode": [POSTCODES[c][n % len(POSTCODES[c])] for n, c in enumerate(countries)],
            "country": countries,
            "kg": np.round(random.lognormal(0.2, 0.8, count), 2),
        }
    )
    return table.assign(zone=table["country"].map(ZONES))


def aware(times: pd.Series[Any], zones: Any) -> list[Any]:
    """Local times with their offset."""
    zones = [zones] * len(times) if isinstance(zones, str) else zones
    return [t if pd.isna(t) else t.tz_localize(z) for t, z in zip(times, zones, strict=True)]


def spreadsheet_pl(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Polish, semicolons, decimal commas and kilograms, another code page, one row an order."""
    form = "%d.%m.%Y %H:%M"
    sheet = pd.DataFrame(
        {
            "Nr zamówienia": table["id"],
            "Data złożenia": table["ordered"].dt.strftime(form),
            "Data wysyłki": table["picked"].dt.strftime(form),
            "Data doręczenia": table["delivered"].dt.strftime("%d.%m.%Y"),
            "Przewoźnik": table["carrier"],
            "Kod pocztowy odbiorcy": table["postcode"],
            "Kraj": table["country"].map(NAMES),
            "Waga": [f"{kg} kg".replace(".", ",") for kg in table["kg"]],
        }
    )
    path = folder / "zamowienia.csv"
    path.write_bytes(sheet.to_csv(sep=";", index=False).encode("cp1250"))
    return [path]


def twelve_hours(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Month first and 12 hours, tabs, UTF-16, weights in pounds, ids as numbers."""
    sheet = pd.DataFrame(
        {
            "Order #": table["id"],
            "Placed On": table["ordered"].dt.strftime("%m/%d/%Y %I:%M:%S %p"),
            "Ship Date": table["picked"].dt.strftime("%m/%d/%Y"),
            "Date Delivered": table["delivered"].dt.strftime("%m/%d/%Y"),
            "Ship To Zip": table["postcode"],
            "Ship To Country": table["country"],
            "Weight": [f"{kg / 0.45359237:.4f} lbs" for kg in table["kg"]],
        }
    )
    path = folder / "orders.tsv"
    path.write_bytes(sheet.to_csv(sep="\t", index=False).encode("utf-16"))
    return [path]


def month_names(table: pd.DataFrame, folder: Path) -> list[Path]:
    """French, month names, a pipe between fields, compressed."""
    short = ["janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août"]

    def said(times: pd.Series[Any], clock: str = "") -> list[str]:
        return [
            "" if pd.isna(t) else f"{t.day:02d} {short[t.month - 1]} {t.year}{t.strftime(clock)}"
            for t in times
        ]

    sheet = pd.DataFrame(
        {
            "N° de commande": table["id"],
            "Date de commande": said(table["ordered"], " %H:%M"),
            "Expédié le": said(table["picked"]),
            "Livré le": said(table["delivered"]),
            "Transporteur": table["carrier"],
            "Code postal": table["postcode"],
            "Pays": table["country"],
        }
    )
    path = folder / "commandes.csv.gz"
    sheet.to_csv(path, sep="|", index=False)
    return [path]


def epochs(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Milliseconds since 1970, a list of events in each parcel of each order, several parcels."""
    path = folder / "export.json"
    orders = []
    for start in range(0, len(table), 2):
        rows = table.iloc[start : start + 2]
        ordered = rows["ordered"].iloc[0].tz_localize(HOME)
        found = []
        for row in rows.itertuples():
            events = [{"type": "COLLECTED", "ts": _epoch(row.picked, HOME)}]
            if not pd.isna(row.delivered):
                events.append({"type": "DELIVERED", "ts": _epoch(row.delivered, row.zone)})
            found.append({"trackingNumber": row.id, "events": events})
        first = rows.iloc[0]
        orders.append(
            {
                "orderNumber": f"A{start}",
                "createdAt": int(ordered.timestamp() * 1000),
                "shipTo": {"postalCode": first["postcode"], "countryCode": first["country"]},
                "packages": found,
            }
        )
    path.write_text(json.dumps({"meta": {"page": 1}, "data": orders}))
    return [path]


def _epoch(time: Any, zone: str) -> int:
    return int(time.tz_localize(zone).timestamp() * 1000)


def excel_serials(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Spanish, days since 1899 as Excel counts them, in the warehouse's clock."""

    def serial(times: pd.Series[Any], *, clock: bool) -> list[float | None]:
        days = (times if clock else times.dt.normalize()) - EXCEL
        return [None if pd.isna(day) else round(day / pd.Timedelta("1D"), 9) for day in days]

    sheet = pd.DataFrame(
        {
            "Nº de pedido": table["id"],
            "Fecha de pedido": serial(table["ordered"], clock=True),
            "Fecha de envío": pd.array(serial(table["picked"], clock=False), dtype="Int64"),
            "Fecha de entrega": pd.array(serial(table["delivered"], clock=False), dtype="Int64"),
            "Código postal": table["postcode"],
            "País": table["country"],
        }
    )
    path = folder / "pedidos.csv"
    sheet.to_csv(path, index=False)
    return [path]


def workbook(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Swedish, an Excel workbook with cells that are times and dates."""
    sheet = pd.DataFrame(
        {
            "Ordernummer": table["id"],
            "Beställningsdatum": table["ordered"],
            "Skickad": table["picked"].dt.date,
            "Levererad": table["delivered"].dt.date,
            "Transportör": table["carrier"],
            "Postnummer": table["postcode"],
            "Land": table["country"],
        }
    )
    path = folder / "order.xlsx"
    sheet.to_excel(path, index=False)
    return [path]


def line_items(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Portuguese, further rows of an order whose fields are empty, offsets, cancelled orders."""
    rows = []
    for n, row in enumerate(table.itertuples()):
        moment, sent = (t.tz_localize(HOME).isoformat(" ") for t in (row.ordered, row.picked))
        arrived = "" if pd.isna(row.delivered) else row.delivered.strftime("%Y-%m-%d")
        rows.append((row.id, moment, sent, arrived, f"'{row.postcode}", row.country, "caneca", ""))
        if n % 4 == 0:
            rows.append((row.id, "", "", "", "", "", "boné", ""))
        if n % 40 == 0:
            rows.append((f"X{n}", moment, "", "", f"'{row.postcode}", row.country, "x", moment))
    names = ["Número do pedido", "Criado em", "Enviado em", "Entregue em", "CEP", "País", "Item"]
    path = folder / "pedidos.csv"
    pd.DataFrame(rows, columns=[*names, "Cancelado em"]).to_csv(path, index=False)
    return [path]


def partitions(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Folders of Parquet by country, the first without a column; dated events compressed."""
    for n, (country, part) in enumerate(table.groupby("country")):
        place = folder / "orders" / f"ship_country={country}"
        place.mkdir(parents=True)
        columns = ["id", "ordered", "postcode", "carrier"] + (["kg"] if n else [])
        stored = part[columns].rename(columns={"id": "shipment_no", "ordered": "ordered_on"})
        zoned = stored["ordered_on"].dt.tz_localize(HOME)
        stored.assign(ordered_on=zoned).to_parquet(place / "part-0.parquet", index=False)
    events = _events(table)
    for n, (_, part) in enumerate(events.groupby("event")):
        with pa.CompressedOutputStream(str(folder / f"events-{n}.csv.zst"), "zstd") as out:
            out.write(part.to_csv(index=False).encode())
    return [folder / "orders", folder / "events-*.csv.zst"]


def _events(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(
        [
            pd.DataFrame(
                {"parcel": table["id"], "when": table[name].dt.strftime("%Y-%m-%d"), "event": event}
            ).dropna()
            for name, event in (("picked", "picked_up"), ("delivered", "delivered"))
        ]
    )


SHAPES: dict[str, Callable[[pd.DataFrame, Path], list[Path]]] = {
    "spreadsheet_pl": spreadsheet_pl,
    "twelve_hours": twelve_hours,
    "month_names": month_names,
    "epochs": epochs,
    "excel_serials": excel_serials,
    "workbook": workbook,
    "line_items": line_items,
    "partitions": partitions,
}
