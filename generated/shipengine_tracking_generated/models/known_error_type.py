from enum import StrEnum


class KnownErrorType(StrEnum):
    ACCOUNT_STATUS = "account_status"
    BUSINESS_RULES = "business_rules"
    INTEGRATIONS = "integrations"
    SECURITY = "security"
    SYSTEM = "system"
    VALIDATION = "validation"

    def __str__(self) -> str:
        return str(self.value)
