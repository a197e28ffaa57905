"""Currencies of ISO 4217: how many decimals their smallest unit has."""

_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF "
        "CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG "
        "HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR "
        "MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD "
        "SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG "
        "YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_PLACES = {code: places for places, codes in _DECIMALS.items() for code in codes.split()}
# Metals, drawing rights and the like: the standard gives them no smallest unit.
_WITHOUT = frozenset(["XAD", "XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA", "XXX"])


def minor_places(currency: str) -> int:
    """How many decimals the currency's smallest unit has: 2 for USD, 0 for JPY, 3 for KWD.

    Raises ValueError, with the remedy, for what the standard does not know or gives no smallest unit.
    """
    places = _PLACES.get(currency)
    if places is not None:
        return places
    if currency in _WITHOUT:
        raise ValueError(f"{currency} has no smallest unit in ISO 4217. Say how many decimals to round to.")
    raise ValueError(
        f"{currency!r} is not a currency of ISO 4217. Write a code such as USD, or say how many decimals to round to."
    )
