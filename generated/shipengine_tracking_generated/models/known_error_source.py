from enum import StrEnum


class KnownErrorSource(StrEnum):
    CARRIER = "carrier"
    ORDER_SOURCE = "order_source"
    SHIPENGINE = "shipengine"

    def __str__(self) -> str:
        return str(self.value)
