from enum import StrEnum


class KnownStatusCode(StrEnum):
    AC = "AC"
    AT = "AT"
    DE = "DE"
    EX = "EX"
    IT = "IT"
    NY = "NY"
    SP = "SP"
    UN = "UN"

    def __str__(self) -> str:
        return str(self.value)
