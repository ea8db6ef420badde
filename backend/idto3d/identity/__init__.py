# SPDX-License-Identifier: GPL-3.0-or-later
"""Find, align and embed the faces of a person, and coach on the photos.

encoder = open_encoder("dlib")
person = person_from_photos(paths, encoder)
print("\\n".join(report(person)))
"""

from idto3d.identity.encoders import Encoder, open_encoder, open_finder
from idto3d.identity.person import Person, person_from_photos, report

__all__ = ["Encoder", "Person", "open_encoder", "open_finder", "person_from_photos", "report"]
