from enum import StrEnum


class KnownWebhookEvent(StrEnum):
    BATCH = "batch"
    CARRIER_CONNECTED = "carrier_connected"
    ORDER_SOURCE_REFRESH_COMPLETE = "order_source_refresh_complete"
    RATE = "rate"
    REPORT_COMPLETE = "report_complete"
    SALES_ORDERS_IMPORTED = "sales_orders_imported"
    TRACK = "track"

    def __str__(self) -> str:
        return str(self.value)
