"""The RPC by which a service forgets athletes; the same for every service."""

from uuid import UUID

import grpc
from flux.athletes.v1 import erasure_service_pb2 as pb
from flux.athletes.v1 import erasure_service_pb2_grpc as pb_grpc

from shared.erasure import Erasure, ErasureStore
from shared.rpc import wire

NAME = pb.DESCRIPTOR.services_by_name["ErasureService"].full_name


class Eraser(pb_grpc.ErasureServiceServicer):
    """Forgets athletes in the schema of one service."""

    def __init__(self, store: ErasureStore) -> None:
        self._store = store

    def BatchEraseAthletes(
        self, request: pb.BatchEraseAthletesRequest, context: grpc.ServicerContext
    ) -> pb.BatchEraseAthletesResponse:
        """Erases everything of athletes."""
        self._store.erase([Erasure(UUID(e.athlete_id), wire.from_timestamp(e.erase_time)) for e in request.erasures])
        return pb.BatchEraseAthletesResponse()
