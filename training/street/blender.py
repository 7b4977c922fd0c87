"""The only module that needs Blender: values become a scene, a scene becomes pictures."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any, Literal

import bpy
import cv2
import numpy as np
from numpy.typing import NDArray

from training.street.materials import AnyMaterial, Glass, Ground, Material
from training.street.mesh import Mesh
from training.street.scenery import FRONT_Y, KERB_Y, Scenery, Sign
from training.street.view import Placement, View

Light = Literal["day", "overcast", "dusk", "night"]
SUN_ELEVATION = {"day": 48.0, "overcast": 40.0, "dusk": 1.2, "night": -4.0}
SKY_STRENGTH = {"day": 0.16, "overcast": 0.34, "dusk": 0.6, "night": 1.5}
EXPOSURE = {"day": -0.75, "overcast": -0.75, "dusk": 0.5, "night": 0.6}
LAMP_ENERGY_W = {"dusk": 420.0, "night": 650.0}
LAMPS = ((8.6, KERB_Y - 1.2), (-7.0, KERB_Y - 1.2), (0.0, -0.9))


class Stage:
    """One Blender scene. Meshes become shared data blocks; things are cheap links to them."""

    def __init__(self, *, threads: int = 2, samples: int = 8) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self._scene = bpy.context.scene
        self._materials: dict[AnyMaterial, Any] = {}
        self._meshes: dict[int, tuple[Mesh, Any]] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="street-"))
        self._set_up_cycles(threads, samples)
        self._set_up_passes()

    def _set_up_cycles(self, threads: int, samples: int) -> None:
        render, cycles = self._scene.render, self._scene.cycles
        render.engine = "CYCLES"
        render.threads_mode, render.threads = "FIXED", threads
        render.use_persistent_data = True
        render.resolution_percentage = 100
        cycles.samples, cycles.use_denoising, cycles.denoiser = samples, True, "OPENIMAGEDENOISE"
        cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 4, 2, 2
        cycles.transmission_bounces, cycles.transparent_max_bounces = 3, 6
        cycles.caustics_reflective = cycles.caustics_refractive = False
        cycles.sample_clamp_indirect = 4
        cycles.use_adaptive_sampling = False

    def set_samples(self, samples: int) -> None:
        """More samples: less noise for the denoiser to smear, and more time."""
        self._scene.cycles.samples = samples

    def _set_up_passes(self) -> None:
        """Depth and instance number come with every render, as 32-bit floats."""
        layer = self._scene.view_layers[0]
        layer.use_pass_z = layer.use_pass_object_index = True
        self._scene.use_nodes = True
        tree = self._scene.node_tree
        source = tree.nodes.get("Render Layers") or tree.nodes.new("CompositorNodeRLayers")
        combined = tree.nodes.get("Composite") or tree.nodes.new("CompositorNodeComposite")
        tree.links.new(source.outputs["Image"], combined.inputs["Image"])
        files = tree.nodes.new("CompositorNodeOutputFile")
        files.base_path = str(self._folder)
        files.format.file_format, files.format.color_depth = "OPEN_EXR", "32"
        files.file_slots.clear()
        for name, output in (("depth", "Depth"), ("index", "IndexOB")):
            files.file_slots.new(name)
            tree.links.new(source.outputs[output], files.inputs[name])

    # ------------------------------------------------------------------ building

    def add(self, name: str, mesh: Mesh, place: Placement | None = None, *, index: int = 0) -> Any:
        """Link a thing into the scene; the same mesh object is converted once only."""
        if id(mesh) not in self._meshes:
            self._meshes[id(mesh)] = (mesh, self._mesh_data(name, mesh))
        thing = bpy.data.objects.new(name, self._meshes[id(mesh)][1])
        thing.pass_index = index
        self._scene.collection.objects.link(thing)
        if place is not None:
            self.move(thing, place)
        return thing

    @staticmethod
    def move(thing: Any, place: Placement) -> None:
        """Put a thing somewhere else."""
        thing.location = (place.x, place.y, place.z)
        thing.rotation_mode = "XYZ"
        thing.rotation_euler = (place.lean, 0, place.heading)

    @staticmethod
    def remove(things: list[Any]) -> None:
        """Take things out of the scene; their meshes stay for the next use."""
        for thing in things:
            bpy.data.objects.remove(thing)

    def add_scenery(self, scenery: Scenery, first_index: int = 0) -> list[Any]:
        """Add a whole street; solid things are numbered from ``first_index`` on (0: not at all)."""
        things = [self.add(name, mesh) for name, mesh in scenery.backdrop.items()]
        for i, (name, (mesh, x, y)) in enumerate(scenery.solid.items()):
            index = first_index + i if first_index else 0
            height = 0.0 if name.startswith("tree") else 0.12
            things.append(self.add(name, mesh, Placement(x, y, height), index=index))
        return things + [self._sign(sign) for sign in scenery.signs]

    def _sign(self, sign: Sign) -> Any:
        curve = bpy.data.curves.new("sign", "FONT")
        curve.body, curve.size, curve.extrude, curve.align_x = sign.text, 0.38, 0.01, "CENTER"
        thing = bpy.data.objects.new("sign", curve)
        curve.materials.append(self._material(Material((0.8, 0.72, 0.5), 0.4, glow=sign.glow)))
        self._scene.collection.objects.link(thing)
        thing.location, thing.rotation_euler = (sign.x, FRONT_Y - 0.175, 2.95), (math.pi / 2, 0, 0)
        return thing

    def _mesh_data(self, name: str, mesh: Mesh) -> Any:
        made = bpy.data.meshes.new(name)
        made.from_pydata(mesh.vertices.tolist(), [], mesh.faces)
        for material in mesh.materials:
            made.materials.append(self._material(material))
        made.polygons.foreach_set("material_index", mesh.face_materials)
        made.update()
        made.shade_smooth()
        made.set_sharp_from_angle(angle=math.radians(38))
        return made

    def _material(self, spec: AnyMaterial) -> Any:
        if spec not in self._materials:
            made = bpy.data.materials.new(f"material-{len(self._materials)}")
            made.use_nodes = True
            if isinstance(spec, Glass):
                _shade_glass(made.node_tree)
            elif isinstance(spec, Ground):
                _shade_ground(made.node_tree, spec)
            else:
                _shade_plain(made.node_tree, spec)
            self._materials[spec] = made
        return self._materials[spec]

    # ------------------------------------------------------------------ light and camera

    def set_light(self, light: Light, azimuth: float = 35.0, exposure: float = 0.0) -> None:
        """Sky, sun and street lamps; ``exposure`` in stops on top of the light's own."""
        world = bpy.data.worlds.get("sky") or bpy.data.worlds.new("sky")
        self._scene.world, world.use_nodes = world, True
        nodes, links = world.node_tree.nodes, world.node_tree.links
        nodes.clear()
        sky = nodes.new("ShaderNodeTexSky")
        background, output = nodes.new("ShaderNodeBackground"), nodes.new("ShaderNodeOutputWorld")
        links.new(sky.outputs[0], background.inputs[0])
        links.new(background.outputs[0], output.inputs[0])
        sky.sky_type = "NISHITA"
        sky.sun_elevation = math.radians(SUN_ELEVATION[light])
        sky.sun_rotation = math.radians(180 + azimuth)
        sky.sun_disc, sky.sun_size = light == "day", math.radians(1.5)
        sky.dust_density, sky.air_density = (8.0 if light == "overcast" else 1.2), 1.2
        background.inputs[1].default_value = SKY_STRENGTH[light]
        self.remove([o for o in bpy.data.objects if o.name.startswith("street-lamp")])
        for x, y in LAMPS if light in LAMP_ENERGY_W else ():
            self._add_lamp(x, y, LAMP_ENERGY_W[light])
        view = self._scene.view_settings
        view.view_transform, view.look = "AgX", "AgX - Medium High Contrast"
        view.exposure = EXPOSURE[light] + exposure

    def _add_lamp(self, x: float, y: float, energy_w: float) -> None:
        lamp = bpy.data.lights.new("street-lamp", "SPOT")
        lamp.energy, lamp.spot_size, lamp.spot_blend = energy_w, math.radians(140), 0.6
        lamp.color, lamp.shadow_soft_size = (1, 0.72, 0.42), 0.25
        thing = bpy.data.objects.new("street-lamp", lamp)
        thing.location = (x, y, 5.5)
        self._scene.collection.objects.link(thing)

    def set_view(self, view: View) -> None:
        """Point the camera and set the picture's size."""
        camera = self._scene.camera
        if camera is None:
            camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
            self._scene.collection.objects.link(camera)
            self._scene.camera = camera
        camera.location = view.at
        camera.rotation_euler = (math.radians(90 - view.pitch), 0, math.radians(view.yaw))
        camera.data.sensor_fit, camera.data.angle = "HORIZONTAL", math.radians(view.hfov)
        render = self._scene.render
        render.resolution_x, render.resolution_y = view.width, view.height

    # ------------------------------------------------------------------ rendering

    def render(
        self,
        *,
        crop: tuple[int, int, int, int] | None = None,
        transparent: bool = False,
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int32]]:
        """Render the scene, or the part ``(left, top, right, bottom)`` in pixels.

        Returns:
            The picture BGRA (h, w, 4), the depth in metres (h, w) and the instance numbers (h, w).
        """
        render = self._scene.render
        render.use_border = render.use_crop_to_border = crop is not None
        if crop is not None:
            left, top, right, bottom = crop
            width, height = render.resolution_x, render.resolution_y
            # A quarter of a pixel inwards, so that Blender's truncation cannot lose a row or a column.
            render.border_min_x, render.border_max_x = (left + 0.25) / width, (right + 0.25) / width
            render.border_min_y = 1 - (bottom - 0.25) / height
            render.border_max_y = 1 - (top - 0.25) / height
        render.film_transparent = transparent
        render.image_settings.file_format = "PNG"
        render.image_settings.color_mode, render.image_settings.color_depth = "RGBA", "8"
        render.filepath = str(self._folder / "picture.png")
        bpy.ops.render.render(write_still=True)
        picture = np.asarray(cv2.imread(render.filepath, cv2.IMREAD_UNCHANGED), np.uint8)
        depth = self._pass("depth", picture.shape)
        return picture, depth, np.rint(self._pass("index", picture.shape)).astype(np.int32)

    def _pass(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        [path] = self._folder.glob(f"{name}*.exr")
        image = bpy.data.images.load(str(path), check_existing=False)
        values = np.empty(len(image.pixels), np.float32)
        image.pixels.foreach_get(values)
        bpy.data.images.remove(image)
        path.unlink()
        return values.reshape(shape[0], shape[1], -1)[::-1, :, 0]


def _shade_plain(tree: Any, spec: Material) -> None:
    nodes, links = tree.nodes, tree.links
    shader = nodes["Principled BSDF"]
    colour = (*spec.colour, 1)
    shader.inputs["Base Color"].default_value = colour
    shader.inputs["Roughness"].default_value = spec.roughness
    shader.inputs["Metallic"].default_value = spec.metallic
    shader.inputs["Coat Weight"].default_value = spec.coat
    shader.inputs["Coat Roughness"].default_value = 0.05
    if spec.glow:
        shader.inputs["Emission Color"].default_value = colour
        shader.inputs["Emission Strength"].default_value = spec.glow
    if not (spec.mottle or spec.bump):
        return
    noise = _noise(tree, spec.scale)
    if spec.mottle:
        amount = _map_range(
            tree, noise.outputs["Fac"], (0.3, 0.7), (1 - spec.mottle, 1 + spec.mottle)
        )
        scaled = nodes.new("ShaderNodeVectorMath")
        scaled.operation = "SCALE"
        scaled.inputs[0].default_value = spec.colour
        links.new(amount, scaled.inputs["Scale"])
        links.new(scaled.outputs[0], shader.inputs["Base Color"])
    if spec.bump:
        _bump(tree, noise.outputs["Fac"], spec.bump, 0.02)


def _shade_ground(tree: Any, spec: Ground) -> None:
    """Asphalt is grainy; paving and brick are laid in courses; all have large pale and dark patches."""
    nodes, links = tree.nodes, tree.links
    patches = _noise(tree, 0.5)
    grain = _noise(tree, 60 if spec.pattern == "asphalt" else 14)
    if spec.pattern == "asphalt":
        source = nodes.new("ShaderNodeRGB")
        source.outputs[0].default_value = (*spec.colour, 1)
        relief = grain.outputs["Fac"]
    else:
        source = _courses(tree, spec)
        relief = source.outputs["Fac"]
    total = nodes.new("ShaderNodeMath")
    total.operation = "ADD"
    links.new(patches.outputs["Fac"], total.inputs[0])
    links.new(grain.outputs["Fac"], total.inputs[1])
    scaled = nodes.new("ShaderNodeVectorMath")
    scaled.operation = "SCALE"
    links.new(source.outputs[0], scaled.inputs[0])
    links.new(_map_range(tree, total.outputs[0], (0.7, 1.3), (0.6, 1.35)), scaled.inputs["Scale"])
    shader = nodes["Principled BSDF"]
    links.new(scaled.outputs[0], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = 0.85
    _bump(tree, relief, 0.35, 0.01, invert=spec.pattern != "asphalt")


def _courses(tree: Any, spec: Ground) -> Any:
    nodes, links = tree.nodes, tree.links
    bricks, where = nodes.new("ShaderNodeTexBrick"), nodes.new("ShaderNodeTexCoord")
    width, row, mortar = (0.4, 0.4, 0.008) if spec.pattern == "paving" else (0.22, 0.075, 0.01)
    if spec.pattern == "brick":
        upright = nodes.new("ShaderNodeMapping")
        upright.inputs["Rotation"].default_value = (math.radians(90), 0, 0)
        links.new(where.outputs["Object"], upright.inputs["Vector"])
        links.new(upright.outputs[0], bricks.inputs["Vector"])
    else:
        links.new(where.outputs["Object"], bricks.inputs["Vector"])
    settings = {"Scale": 1.0, "Brick Width": width, "Row Height": row, "Mortar Size": mortar}
    for name, value in settings.items():
        bricks.inputs[name].default_value = value
    for name, factor in (("Color1", 0.85), ("Color2", 1.12), ("Mortar", 0.45)):
        bricks.inputs[name].default_value = (*(c * factor for c in spec.colour), 1)
    return bricks


def _shade_glass(tree: Any) -> None:
    nodes, links = tree.nodes, tree.links
    nodes.remove(nodes["Principled BSDF"])
    clear, mirror = nodes.new("ShaderNodeBsdfTransparent"), nodes.new("ShaderNodeBsdfGlossy")
    clear.inputs[0].default_value = (0.8, 0.85, 0.85, 1)
    mirror.inputs["Roughness"].default_value = 0.02
    fresnel, mix = nodes.new("ShaderNodeFresnel"), nodes.new("ShaderNodeMixShader")
    fresnel.inputs[0].default_value = 1.6
    links.new(fresnel.outputs[0], mix.inputs[0])
    links.new(clear.outputs[0], mix.inputs[1])
    links.new(mirror.outputs[0], mix.inputs[2])
    links.new(mix.outputs[0], nodes["Material Output"].inputs[0])


def _noise(tree: Any, scale: float) -> Any:
    where, noise = tree.nodes.new("ShaderNodeTexCoord"), tree.nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value = scale
    noise.inputs["Detail"].default_value = 6
    noise.inputs["Roughness"].default_value = 0.65
    tree.links.new(where.outputs["Object"], noise.inputs["Vector"])
    return noise


def _map_range(
    tree: Any, value: Any, source: tuple[float, float], target: tuple[float, float]
) -> Any:
    node = tree.nodes.new("ShaderNodeMapRange")
    node.inputs["From Min"].default_value, node.inputs["From Max"].default_value = source
    node.inputs["To Min"].default_value, node.inputs["To Max"].default_value = target
    tree.links.new(value, node.inputs["Value"])
    return node.outputs[0]


def _bump(
    tree: Any, height: Any, strength: float, distance: float, *, invert: bool = False
) -> None:
    node = tree.nodes.new("ShaderNodeBump")
    node.inputs["Strength"].default_value = strength
    node.inputs["Distance"].default_value = distance
    node.invert = invert
    tree.links.new(height, node.inputs["Height"])
    tree.links.new(node.outputs[0], tree.nodes["Principled BSDF"].inputs["Normal"])
