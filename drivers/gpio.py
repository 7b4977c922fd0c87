"""The GPIO pins: light, button, tamper switch, fan, lamp, buzzer.

Pins are given as BCM numbers. gpiozero does the work, and is imported only when pins are
configured; its pin factory is chosen by name, ``mock`` among them for rehearsals and tests.
"""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from wording.known_errors import reason_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

EMPTY_LGPIO = "0.0.0.2"
"""The package index has this stub for Python 3.13; the real one comes from the system."""
INPUTS = ("button", "tamper")
OUTPUTS = ("led", "fan", "lamp", "buzzer")


class GpioError(OSError):
    """The pins cannot be used as configured."""

    def __init__(self, reason: str) -> None:
        super().__init__(said("GPIO: {reason}", reason=reason))
        self.reason = reason


class Settings(BaseModel):
    """Which pins there are; each may be left out.

    Attributes:
        factory: gpiozero's pin factory; ``lgpio`` on Raspberry Pi OS.
        led: The status light.
        button: Connects its pin to ground while it is pressed.
        tamper: Connects its pin to ground while the housing is closed; a cut wire is an open one.
        fan: Switched on when it is hot.
        lamp: Switched on when it is dark.
        buzzer: Sounds when a case opens.
        active_low: Outputs that are on when their pin is low, such as relay boards.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    factory: Literal["lgpio", "native", "mock"] = "lgpio"
    led: int | None = Field(default=None, ge=0, le=27)
    button: int | None = Field(default=None, ge=0, le=27)
    tamper: int | None = Field(default=None, ge=0, le=27)
    fan: int | None = Field(default=None, ge=0, le=27)
    lamp: int | None = Field(default=None, ge=0, le=27)
    buzzer: int | None = Field(default=None, ge=0, le=27)
    active_low: tuple[Literal["led", "fan", "lamp", "buzzer"], ...] = ()

    @model_validator(mode="after")
    def _no_pin_twice(self) -> Settings:
        pins = list(self.pins())
        twice = sorted({pin for _, pin in pins if [p for _, p in pins].count(pin) > 1})
        if twice:
            users = [name for name, pin in pins if pin in twice]
            raise ValueError(said("pin {pins} is used twice: {users}", pins=twice, users=users))
        return self

    def pins(self) -> Iterator[tuple[str, int]]:
        """What is connected, and where."""
        for name in (*INPUTS, *OUTPUTS):
            pin: int | None = getattr(self, name)
            if pin is not None:
                yield name, pin


class Gpio:
    """The pins, open. For one thread.

    Args:
        settings: Which there are.

    Raises:
        GpioError: The factory cannot be used here, or a pin is taken.
    """

    def __init__(self, settings: Settings) -> None:
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, Any] = {}
        if settings.factory == "lgpio":
            _assert_real_lgpio()
        try:
            self._factory = _factory(settings.factory)
            self._open(settings)
        except GpioError:
            raise
        except Exception as error:  # gpiozero's errors share no base with the libraries below it
            self.close()
            raise GpioError(reason_of(error)) from error

    def _open(self, settings: Settings) -> None:
        from gpiozero import DigitalInputDevice, DigitalOutputDevice  # noqa: PLC0415

        for name, pin in settings.pins():
            if name in INPUTS:
                self._inputs[name] = DigitalInputDevice(
                    pin, pull_up=True, pin_factory=self._factory
                )
            else:
                self._outputs[name] = DigitalOutputDevice(
                    pin, active_high=name not in settings.active_low, pin_factory=self._factory
                )

    def has(self, name: str) -> bool:
        """Whether something of the name is connected."""
        return name in self._inputs or name in self._outputs

    def switch(self, name: str, *, on: bool) -> None:
        """Switch an output; nothing happens where it is not connected."""
        output = self._outputs.get(name)
        if output is not None and bool(output.value) != on:
            output.value = on

    @property
    def pressed(self) -> bool:
        """Whether the button is pressed."""
        button = self._inputs.get("button")
        return button is not None and bool(button.value)

    @property
    def opened(self) -> bool | None:
        """Whether the housing is open; None without a tamper switch."""
        tamper = self._inputs.get("tamper")
        return None if tamper is None else not tamper.value

    def close(self) -> None:
        """Switch every output off and let go of the pins.

        Raises:
            GpioError: The pins are no longer to be had.
        """
        outputs, inputs = self._outputs, self._inputs
        self._outputs, self._inputs = {}, {}
        try:
            for output in outputs.values():
                output.off()
            for device in (*outputs.values(), *inputs.values()):
                device.close()
        except Exception as error:  # as above
            raise GpioError(reason_of(error)) from error


def _factory(name: str) -> Any:
    if name == "mock":
        from gpiozero.pins.mock import MockFactory  # noqa: PLC0415

        return MockFactory()
    if name == "native":
        from gpiozero.pins.native import NativeFactory  # noqa: PLC0415

        return NativeFactory()
    from gpiozero.pins.lgpio import LGPIOFactory  # noqa: PLC0415

    return LGPIOFactory()


def _assert_real_lgpio() -> None:
    try:
        found = version("lgpio")
    except PackageNotFoundError:
        return  # the system's package may bring no metadata: importing it tells
    if found == EMPTY_LGPIO:
        text = said(
            "lgpio {version} is an empty package; use the system's python3-lgpio", version=found
        )
        raise GpioError(text)
    folder = os.environ.get("LG_WD", ".")
    if not os.access(folder, os.W_OK):
        raise GpioError(said("lgpio needs a folder it may write to; LG_WD is {path}", path=folder))
