# SPDX-License-Identifier: GPL-3.0-or-later
"""THE ALGORITHM: photographs of a person -> a head with expressions and materials.

ID-to-3D (Babiloni et al., NeurIPS 2024), in one sitting:

1. identity   find the face on each photo, embed it (`identity`)
2. stage 0    shape the template to the embedding (`head.stage_zero`), then to the landmarks of all
              photos (`head.fit`), which also tells each photo's pose and expression, then to what
              the two and the normals that a network sees in the photos tell about such heads
              (`head.shape_regression`), or, another template, to those normals (`head.relief`)
3. geometry   score distillation of camera-space normals into a canonical signed distance field
              and one displacement field an expression (`head`)
4. texture    score distillation of albedo, then of all materials, under random light (`texture`)
5. asset      simplify, add teeth and lashes (`anatomy`), unwrap, bake, write glTF with one morph
              target an expression (`asset`)

The run can stop after any step and go on from its checkpoint to the same result.
"""

import dataclasses
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from idto3d.anatomy.attach import teeth_and_lashes
from idto3d.asset import build
from idto3d.asset.mesh import PosedMesh
from idto3d.asset.pictures import write_overview, write_turntable
from idto3d.asset.preview import write_preview
from idto3d.asset.provenance import write_provenance
from idto3d.assets import ASSETS
from idto3d.attempts import Attempts
from idto3d.guidance import Guide, chosen_expressions, draw_expressions, tone_words
from idto3d.head.fit import PhotoFit, fit_head, fit_photos
from idto3d.head.hair_volume import growing_directions
from idto3d.head.model import HeadModel
from idto3d.head.photo_view import head_and_face, normals_seen
from idto3d.head.relief import with_relief
from idto3d.head.shape_regression import load_shape_regression
from idto3d.head.stage_zero import FirstGuess, load_stage_zero
from idto3d.head.template import Template, load_template
from idto3d.identity import Person, open_encoder, open_finder, person_from_photos, report
from idto3d.identity.intrinsic_images import CHIP_SIZE, IntrinsicImages, find_intrinsic_images
from idto3d.identity.landmarks import Landmarks, find_landmarks
from idto3d.ingredients import describe_run
from idto3d.job.protocol import JobFolder, Request
from idto3d.job.reporter import Reporter
from idto3d.pictures import Finished, write_progress
from idto3d.prior.load import compile_blocks, load_prior, replay_denoiser
from idto3d.prior.manifest import read_manifest
from idto3d.prior.score_distillation import DistillationSettings
from idto3d.prior.timesteps import TimestepPhase, draw_timesteps
from idto3d.render.cameras import sample_cameras
from idto3d.render.environment import exposed, prefilter
from idto3d.render.normals import camera_normals_image
from idto3d.render.procedural import procedural_environments
from idto3d.run import Loop, Run, number_format, open_run, replays_denoiser, restore
from idto3d.texture.first_colours import FirstColours, first_colours, hair_offset
from idto3d.texture.hint_paint import hint_paint
from idto3d.texture.model import TextureModel
from idto3d.texture.shots import Shot

# Lights of the overview among the procedural maps, and whether the camera is set to their white:
# skin is judged in white light, and a sunset is not white.
LIGHTS = (("studio", 4, True), ("sunset", 2, False), ("overcast", 1, True))


@dataclass(frozen=True)
class Start:
    """What is known before anything is optimised."""

    person: Person
    guess: FirstGuess  # its shape fitted to the photos
    shots: tuple[Shot, ...]  # the person's photos, and how the head lies in each
    template: Template  # the person's own, subdivided once
    hint: Tensor  # (V,3) the basis' nearest head, mouth slightly open: what the hints show
    canonical: Tensor  # (V,3) the person's, with the volume of the hair that the photos show
    motions: Tensor  # (K,V,3) from canonical to each expression, the neutral one first
    expressions: tuple[str, ...]  # K names


def generate(request: Request, folder: JobFolder, reporter: Reporter) -> None:
    """Make the head that `request` asks for in `folder`; goes on from its newest checkpoint.

    Raises UserError for input that can't be used, Cancelled when asked to stop.
    """
    run = open_run(request, folder, reporter)
    start = find_start(run)
    head = optimise_geometry(run, start)
    colours = first_colours_of(run, start, head)
    texture = optimise_texture(run, start, head, colours)
    write_head(run, start, head, texture)


# --- 1 and 2: who is it, and roughly what shape -------------------------------------------------


def find_start(run: Run) -> Start:
    """Photos to identity embedding, and the template shaped to it and to the photos (stage 0)."""
    began = time.monotonic()
    run.reporter.status("Looking for the face on each photo")
    manifest = read_manifest(run.prior_folder)
    chosen = (manifest.identity_encoder, run.request.identity_model, run.device.type)
    encoder = open_encoder(*chosen)
    if encoder.licence_note:
        run.reporter.warning(encoder.licence_note)
    person = person_from_photos(
        [Path(photo) for photo in run.request.photos], encoder, finder=open_finder(*chosen)
    )
    for line in report(person):
        run.reporter.status(line)
    for verdict in person.verdicts:
        for finding in verdict.findings:
            run.reporter.warning(f"{verdict.path.name}: {finding.reason} {finding.advice}")
    coarse = load_template(run.template_folder / "head.npz")
    pairs = zip(person.photos, person.landmarks, strict=True)
    marks = [find_landmarks(photo.pixels, five) for photo, five in pairs]
    guess, photos = shape_to_photos(run.template_folder, coarse, person, marks)
    for photo, fit in zip(person.photos, photos, strict=True):
        if not fit.understood:
            run.reporter.status(
                f"{photo.path.name}: the face's outline isn't clear here, so the photo is placed "
                "by its eyes and nose alone"
            )
    images = look_into_photos(coarse, guess, person, photos)
    if run.request.template is None:
        own, photos = reshaped(run.template_folder, coarse, guess, person, marks, photos, images)
    else:  # the network knows the shipped template alone
        own = with_relief(coarse, guess.coefficients, photos, images)
    template = own.subdivided()
    # The prior was trained with such hints, and adds what they lack; given all, it would add twice.
    nearest = coarse.nearest(own.neutral(guess.coefficients))
    shots = tuple(
        Shot(
            photo.pixels, fit.pose, template.expression(fit.arkit).numpy(), seen,
            fit.understood, found.points,
        )
        for photo, fit, seen, found in zip(person.photos, photos, images, marks, strict=True)
    )  # fmt: skip
    expressions = chosen_expressions(run.request.expressions, ASSETS / "expressions.json")
    bare = template.canonical(guess.coefficients)
    run.timings.setdefault("identity", time.monotonic() - began)
    return Start(
        person,
        guess,
        shots,
        template,
        coarse.subdivided().canonical(nearest),
        with_hair(bare, template, guess, shots),
        torch.stack([template.from_canonical(expression.arkit) for expression in expressions]),
        tuple(expression.name for expression in expressions),
    )


def shape_to_photos(
    folder: Path, template: Template, person: Person, marks: list[Landmarks]
) -> tuple[FirstGuess, tuple[PhotoFit, ...]]:
    """Stage 0's guess from the embeddings, drawn to the landmarks of all photos.

    It depends on the photos alone, so a run that goes on computes the same again.
    """
    stage_zero = load_stage_zero(folder / "stage_zero.npz")
    guess = stage_zero.guess(_dlib_embeddings(person))
    fit = fit_head(
        template,
        guess.coefficients.double().numpy(),
        stage_zero.spread,
        marks,
        list(person.landmarks),
    )
    coefficients = torch.from_numpy(fit.coefficients.astype(np.float32))
    return dataclasses.replace(guess, coefficients=coefficients), fit.photos


def _dlib_embeddings(person: Person) -> np.ndarray:
    """(N,128): what stage 0 reads. For another encoder the faces are embedded once more."""
    if person.encoder == "dlib":
        return person.embeddings
    dlib = open_encoder("dlib")
    pairs = zip(person.photos, person.landmarks, strict=True)
    return dlib.embed(np.stack([dlib.align(photo.pixels, five) for photo, five in pairs]))


def look_into_photos(
    template: Template, guess: FirstGuess, person: Person, photos: tuple[PhotoFit, ...]
) -> list[list[IntrinsicImages]]:
    """For each photo the normals, the albedo and the outline of the head and of the face."""
    neutral = template.neutral(guess.coefficients)
    found = []
    for photo, fit in zip(person.photos, photos, strict=True):
        positions = (neutral + template.expression(fit.arkit)).double().numpy()
        squares = head_and_face(fit.pose)
        guesses = [
            normals_seen(fit.pose, positions, template.faces, square, CHIP_SIZE)
            for square in squares
        ]
        found.append(find_intrinsic_images(photo.pixels, squares, guesses))
    return found


def reshaped(
    folder: Path,
    template: Template,
    guess: FirstGuess,
    person: Person,
    marks: list[Landmarks],
    photos: tuple[PhotoFit, ...],
    images: list[list[IntrinsicImages]],
) -> tuple[Template, tuple[PhotoFit, ...]]:
    """The template moved to where heads with such evidence lie, and the photos laid on it anew."""
    network = load_shape_regression(folder / "shape_regression.npz")
    embedding = _dlib_embeddings(person).mean(axis=0)
    offset = network.offset(template, guess.coefficients, embedding, photos, marks, images)
    moved = template.moved(offset)
    return moved, fit_photos(moved, guess.coefficients, marks, list(person.landmarks))


def with_hair(
    bare: Tensor, template: Template, guess: FirstGuess, shots: tuple[Shot, ...]
) -> Tensor:
    """The canonical head (V,3) under the volume of the hair that the photos show on it."""
    neutral = template.neutral(guess.coefficients)
    offset = hair_offset(template, neutral, shots, guess.tone)
    directions = growing_directions(template.faces.numpy(), bare.double().numpy())
    return bare + torch.from_numpy(offset[:, None] * directions).to(bare)


def guide_for(run: Run, start: Start, domain: str) -> Guide:
    """The prior for "geometry", "albedo" or "photo", told who the person is."""
    small = run.settings.speed.small_encoder
    plan = dataclasses.replace(run.plan, tiny_encoder=small or run.plan.tiny_encoder)
    prior = load_prior(run.prior_for(domain), domain, run.device, number_format(run), plan=plan)
    if run.device.type == "cuda" and run.settings.speed.compiled:
        compile_blocks(prior)
    if replays_denoiser(run):
        replay_denoiser(prior)
    hint = start.hint + start.motions
    return Guide(
        prior,
        torch.from_numpy(start.person.embeddings).to(run.device),
        start.guess.words(),
        " and ".join(filter(None, (tone_words(start.guess.tone), run.request.description))),
        start.expressions,
        hint.to(run.device),
        start.template.faces.to(run.device),
        hint_paint(start.template).to(run.device),
        plan,
    )


# --- 3: geometry --------------------------------------------------------------------------------


def optimise_geometry(run: Run, start: Start) -> HeadModel:
    """Distil normals into the canonical field and the expressions' displacements."""
    settings = run.settings.geometry
    generator = torch.Generator().manual_seed(run.request.seed)
    head = HeadModel(
        start.canonical.to(run.device),
        start.template.faces.to(run.device),
        start.motions.to(run.device),
        settings,
        generator,
    )
    if run.saved.get("stage") in ("texture", "asset"):
        head.load_state_dict(run.saved["head"])
        return head
    optimizer = torch.optim.Adam(
        head.parameter_groups(settings.learning_rate), betas=(0.9, 0.99), eps=1e-10, fused=True
    )
    first = restore(run, "geometry", {"head": head, "optimizer": optimizer}, generator)
    attempts = Attempts(run, partial(guide_for, run, start), "geometry", generator)
    distillation = DistillationSettings(settings.guidance_scale, settings.weighting)
    phases = (
        TimestepPhase(0.5, *settings.timesteps),
        TimestepPhase(1.0, *settings.annealed, annealed=True),
    )
    loop = Loop(run, "geometry", settings.iterations, first)

    def take_step(guide: Guide, progress: float) -> dict[str, Tensor]:
        cameras = sample_cameras(settings.views, generator, settings.close_up_share)
        chosen = draw_expressions(
            settings.views, len(start.expressions), settings.neutral_share, generator
        )
        surface = head.wrapped(chosen) if progress >= settings.wrap_from else head.extracted(chosen)
        coarse = progress < settings.coarse_until
        images, _ = camera_normals_image(
            surface.posed(), surface.faces, cameras.to(run.device),
            guide.coarse_size if coarse else guide.image_size, partners=surface.partners,
        )  # fmt: skip
        timesteps = draw_timesteps(phases, progress, settings.views, generator)
        distilled = guide.gradient(
            images, cameras.to(run.device), chosen, timesteps, generator, distillation, coarse
        )
        roughness, size = head.regularization(surface)
        loss = distilled.loss + settings.smoothness * roughness + settings.anchor * size
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"distilled": distilled.loss, "roughness": roughness, "size": size}

    for step in loop:
        numbers = attempts.take(partial(take_step, progress=step / settings.iterations))
        loop.report(step, **numbers)
        if loop.picture_due():
            show_progress(run, start, head, None)
        loop.checkpoint_if_due(step, {"head": head, "optimizer": optimizer}, generator)
    return head


# --- 4: texture ---------------------------------------------------------------------------------


@torch.no_grad()
def first_colours_of(run: Run, start: Start, head: HeadModel) -> FirstColours:
    """Paint with measured colours, and the photographs laid on the head."""
    run.reporter.status("Laying the photos on the head")
    neutral = head.wrapped(torch.zeros(1, dtype=torch.int64)).posed()[0].cpu()
    return first_colours(start.template, neutral, start.shots, start.guess.tone)


def optimise_texture(
    run: Run, start: Start, head: HeadModel, colours: FirstColours
) -> TextureModel:
    """Distil the albedo, then all materials, under a random light each step."""
    settings = run.settings.texture
    generator = torch.Generator().manual_seed(run.request.seed + 1)
    with torch.no_grad():
        everyone = torch.arange(len(start.expressions))
        surface = head.wrapped(everyone)
        poses = surface.posed()
    texture = TextureModel(surface.vertices, poses, head.faces, colours, settings, generator)
    if run.saved.get("stage") == "asset":
        texture.load_state_dict(run.saved["texture"])
        return texture
    optimizer = torch.optim.Adam(
        texture.parameter_groups(), betas=(0.9, 0.99), eps=1e-10, fused=True
    )
    first = restore(run, "texture", {"texture": texture, "optimizer": optimizer}, generator)
    attempts = Attempts(run, partial(guide_for, run, start), "albedo", generator)
    refine_from = settings.iterations - settings.refine_iterations
    distillation = DistillationSettings(settings.guidance_scale, settings.weighting)
    phases = (
        TimestepPhase(settings.diffuse_share, *settings.timesteps_diffuse),
        TimestepPhase(1.0, *settings.timesteps_material),
    )
    refining = (TimestepPhase(1.0, *settings.timesteps_refine),)
    loop = Loop(run, "texture", settings.iterations, first)

    def take_step(guide: Guide, progress: float, refine: bool) -> dict[str, Tensor]:
        cameras = sample_cameras(settings.views, generator, settings.close_up_share)
        # One expression a step: the material field is asked once, and colours hardly depend on it.
        chosen = draw_expressions(1, len(start.expressions), 0.4, generator).expand(settings.views)
        images, change = texture.render(
            cameras.to(run.device), chosen, guide.image_size, generator,
            albedo_only=progress < settings.diffuse_share,
        )  # fmt: skip
        timesteps = draw_timesteps(
            refining if refine else phases, progress, settings.views, generator
        )
        distilled = guide.gradient(
            images, cameras.to(run.device), chosen, timesteps, generator, distillation
        )
        loss = distilled.loss + change
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"distilled": distilled.loss, "change": change}

    for step in loop:
        refine = step >= refine_from
        if refine:
            attempts.change_domain("photo")
        numbers = attempts.take(
            partial(take_step, progress=step / settings.iterations, refine=refine)
        )
        loop.report(step, **numbers)
        if loop.picture_due():
            show_progress(run, start, head, texture)
        modules = {"texture": texture, "optimizer": optimizer}
        loop.checkpoint_if_due(step, modules, generator, head=head.state_dict())
    run.checkpoints.save(
        {
            "stage": "asset",
            "head": head.state_dict(),
            "texture": texture.state_dict(),
            "timings": run.timings,
            "stopped_after": run.stopped_after,
        }
    )
    return texture


# --- 5: asset -----------------------------------------------------------------------------------


@torch.no_grad()
def write_head(run: Run, start: Start, head: HeadModel, texture: TextureModel) -> None:
    """Simplify, add teeth and lashes, unwrap, bake and write; the glTF file comes last."""
    began = time.monotonic()
    run.reporter.stage("asset", 4)
    run.reporter.status("Unwrapping and baking the textures")
    surface = head.wrapped(torch.arange(len(start.expressions)))
    posed = PosedMesh(
        surface.vertices.cpu().numpy(),
        surface.displacement.cpu().numpy(),
        surface.faces.cpu().numpy(),
    )
    asset = run.settings.asset
    attached = None
    if asset.teeth_and_lashes:
        attached = teeth_and_lashes(start.template, posed.poses, texture.hair)
    model = build.build_head(
        posed,
        start.expressions,
        texture.material,
        build.AssetSettings(asset.target_faces, asset.texture_size),
        run.device,
        attached,
    )
    run.reporter.step(1)
    run.folder.result.mkdir(parents=True, exist_ok=True)
    Finished.of(posed, start.expressions, texture.vertex_materials()).save(
        run.folder.result / "surface.npz"
    )
    run.reporter.step(2)
    run.reporter.status("Rendering the overview and the turntable")
    maps = procedural_environments(1 + max(index for _, index, _ in LIGHTS))
    lights = [(name, exposed(prefilter(maps[index]), white)) for name, index, white in LIGHTS]
    photos = [Image.fromarray(photo.pixels) for photo in start.person.photos]
    write_overview(run.folder.result / "overview.png", model, photos, lights)
    write_turntable(run.folder.result / "turntable.webp", model, lights[0][1])
    run.reporter.picture(run.folder.result / "overview.png")
    run.reporter.step(3)
    run.timings["asset"] = time.monotonic() - began
    provenance = describe_run(run, start.person)
    write_provenance(run.folder.result / "provenance.json", provenance)
    extras = {key: provenance[key] for key in ("created", "generator", "commercial_use", "seed")}
    build.write_asset(run.folder.result, model, run.request.name, provenance["generator"], extras)
    run.reporter.step(4)


# --- small parts --------------------------------------------------------------------------------


@torch.no_grad()
def show_progress(run: Run, start: Start, head: HeadModel, texture: TextureModel | None) -> None:
    """Write a picture and a live preview mesh of the work so far."""
    surface = head.wrapped(torch.arange(len(start.expressions)))
    albedo = texture.vertex_materials()[0, :, :3] if texture is not None else None
    stamp = f"{int(time.time() * 1000)}"
    run.folder.preview.mkdir(parents=True, exist_ok=True)
    picture = run.folder.preview / f"progress-{stamp}.png"
    write_progress(picture, surface.posed().cpu(), surface.faces.cpu(), albedo)
    run.reporter.picture(picture)
    mesh = run.folder.preview / f"preview-{stamp}.glb"
    write_preview(mesh, surface.posed()[0], surface.faces, albedo, run.request.name)
    run.reporter.preview(mesh)
    for old in sorted(run.folder.preview.glob("preview-*.glb"))[:-2]:
        old.unlink()
